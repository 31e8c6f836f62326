def migrate(cr, version):
    """Count the breaks of the feed anew, in periods of eight hours instead of ten minutes.

    The old count would soon use up the bits that a cursor has for it now. In a cursor of the old
    form these bits hold a 64th of the old count (``wire/cursor.py``). The new count begins above
    that. So the break that this notes makes all cursors of the old form expire.
    """
    cr.execute(
        """
        DELETE FROM webhook_feed_break;
        SELECT setval(
                   'webhook_feed_break_id_seq',
                   64 + greatest(
                       last_value >> 6, (extract(epoch FROM now() - '2026-01-01') / 28800)::int
                   )
               )
          FROM webhook_feed_break_id_seq;
        INSERT INTO webhook_feed_break (kind, position) VALUES ('restored', 0)
        """
    )
