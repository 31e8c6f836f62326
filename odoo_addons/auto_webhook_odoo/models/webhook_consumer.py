import logging

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import SQL

from ..postgres.bigints import BigId
from ..postgres.transactions import read_committed

_logger = logging.getLogger(__name__)

_GROUP = "auto_webhook_odoo.group_webhook_receiver"
_CRON = "auto_webhook_odoo.cron_release"
_CHUNK = 10_000  # events; what one transaction of a long piece of work changes
_JOINING = "auto_webhook_odoo.joining"  # key in ``cr.postcommit.data``


class WebhookConsumer(models.Model):
    """Somebody who has to confirm events.

    A consumer is either a user whose programs confirm with ``mark-processed``, or a subscriber
    that confirms on delivery. No consumer can hide an event from another: an event is processed
    when every consumer that it concerns is done with it (``webhook.confirmation``).

    An event concerns a user if the user may see it, and a subscriber if it has a delivery to it.

    Users of the group *Webhook receiver* are consumers. Those who have the group only because they
    are webhook managers become consumers with their first call that asks for unconfirmed events or
    confirms some. The first consumers of a database begin with everything. Later ones begin with
    the events from then on, unless an administrator starts them from the beginning.

    ``webhook_consumer_progress.py`` holds how far each consumer has come, and
    ``webhook_consumer_figures.py`` what the list of consumers shows.
    """

    _name = "webhook.consumer"
    _description = "Webhook Consumer"
    _webhook_recordable = False
    _order = "id"

    id = BigId()
    user_id = fields.Many2one(
        "res.users", readonly=True, ondelete="cascade", index="btree_not_null"
    )
    subscriber_id = fields.Many2one(
        "webhook.subscriber", readonly=True, ondelete="cascade", index="btree_not_null"
    )
    active = fields.Boolean(
        default=True,
        help="An archived consumer holds no events back. It gets none of those that the others "
        "have confirmed meanwhile.",
    )

    _user_unique = models.UniqueIndex("(user_id) WHERE user_id IS NOT NULL")
    _subscriber_unique = models.UniqueIndex("(subscriber_id) WHERE subscriber_id IS NOT NULL")

    @api.depends("user_id.name", "subscriber_id.name")
    def _compute_display_name(self):
        for consumer in self:
            consumer.display_name = (consumer.user_id or consumer.subscriber_id).sudo().name

    @api.model
    def _admit_nobody(self):
        """Let no consumer be added until the end of the transaction.

        A new one would not get the events that this transaction marks as processed. To be called
        before events are locked. Who adds a consumer may lock events, too, and the two would wait
        for each other.
        """
        self.env.cr.execute("LOCK TABLE webhook_consumer IN ROW SHARE MODE")

    @api.model
    def _who_confirm(self):
        """Return the consumers whose confirmation counts now (see also ``_admit_nobody``)."""
        groups = self.env.ref(_GROUP).sudo().all_implied_by_ids.ids
        rows = self.env.execute_query(
            SQL(
                """
                SELECT consumer.id
                  FROM webhook_consumer consumer
                  LEFT JOIN res_users users ON users.id = consumer.user_id
                  LEFT JOIN webhook_subscriber subscriber ON subscriber.id = consumer.subscriber_id
                 WHERE consumer.active
                   AND (subscriber.active AND subscriber.confirm_on_delivery
                        OR users.active AND EXISTS (
                            SELECT FROM res_groups_users_rel
                             WHERE uid = users.id AND gid = ANY(%s)
                           ))
                 ORDER BY consumer.id
                """,
                groups,
            )
        )
        return self.sudo().browse([consumer_id for (consumer_id,) in rows])

    @api.model
    def _of_user(self, users):
        """Return the consumers that these users are, archived or not."""
        consumers = self.sudo().with_context(active_test=False)
        return consumers.search([("user_id", "in", users.ids)])

    @api.model
    def _join(self):
        """Make the current user a consumer, if it may confirm events."""
        if self._may_confirm():
            self._add_missing(self.env.user)

    @api.model
    def _may_confirm(self):
        return not self.env.su and self.env.user.has_group(_GROUP)

    @api.model
    def _that_pulls(self):
        """Return the consumer that the current user is, who is pulling now, or nothing."""
        consumer = self._of_user(self.env.user) if self._may_confirm() else self.browse()
        if consumer:
            consumer._note_pull()
        return consumer

    @api.model
    def _add_missing(self, users):
        """Add those of these users that are no consumers yet.

        Uses transactions of its own. Adding waits for all transactions that are confirming events,
        so the caller must have confirmed none.
        """
        if self._missing(users):
            with read_committed(self.env) as env:
                consumers = env["webhook.consumer"]
                late = consumers._add(consumers._missing(users)).ids
            self.browse(late)._skip()

    @api.model
    def _missing(self, users):
        """Return the ids of those of these users that are no consumers yet."""
        self.env["res.users"].flush_model(["active"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT users.id FROM res_users users
                 WHERE users.id = ANY(%s) AND users.active
                   AND NOT EXISTS (SELECT FROM webhook_consumer WHERE user_id = users.id)
                 ORDER BY users.id
                """,
                users.ids,
            )
        )
        return [user_id for (user_id,) in rows]

    @api.model
    def _note_members(self):
        """Add new members of the group as soon as this transaction is committed.

        The transaction itself must neither wait for those who confirm events nor fail because of
        them. It may be anybody's who creates a user.
        """
        data = self.env.cr.postcommit.data
        if _JOINING not in data:
            data[_JOINING] = True
            self.env.cr.postcommit.add(self._add_members_after_commit)

    @api.model
    def _add_members(self, users=None):
        """Add the members of the group, and these users, that are no consumers yet."""
        if group := self.env.ref(_GROUP, raise_if_not_found=False):  # it may be uninstalled
            self._add_missing(group.sudo().user_ids | (users or self.env["res.users"]))

    def _add_members_after_commit(self):
        """Add the members of the group, and never raise: the user's changes are committed."""
        try:
            self._add_members()
        except Exception:
            _logger.exception("New receivers are no consumers yet; an hourly cron adds them.")

    @api.model
    def _add(self, user_ids):
        """Make these users consumers.

        :return: those who are to begin with the events from now on (``_skip``)
        """
        if not user_ids:
            return self.browse()
        self.env.cr.execute("LOCK TABLE webhook_consumer IN EXCLUSIVE MODE")
        consumers = self.sudo().with_context(active_test=False)
        known = consumers.search([("user_id", "!=", False)]).user_id.ids
        # another process may have added some of them meanwhile
        new = consumers.create([{"user_id": i} for i in user_ids if i not in known])
        new.flush_recordset()
        return new if known else new.browse()

    @api.model
    def _add_subscribers(self, subscribers):
        """Add those of these subscribers that confirm on delivery and are no consumers yet."""
        consumers = self.sudo().with_context(active_test=False)
        confirming = subscribers.filtered("confirm_on_delivery")
        known = consumers.search([("subscriber_id", "in", confirming.ids)]).subscriber_id
        missing = confirming - known
        consumers.create([{"subscriber_id": subscriber.id} for subscriber in missing])

    def _has_open(self, table):
        """Return the SQL condition for unprocessed events that this user still has to confirm.

        :param table: alias of ``update_webhook``
        """
        self.ensure_one()
        return SQL(
            """
            %s AND NOT EXISTS (
                SELECT FROM webhook_confirmation known
                 WHERE known.event_id = %s AND known.consumer_id = %s
            )
            """,
            self.env["update.webhook"]._visible(table, self.user_id),
            SQL.identifier(table, "id"),
            self.id,
        )

    def _skip(self):
        """Have these users confirm everything that is open now, without having handled it.

        Events that are on their way to an endpoint of the user stay open.
        """

        def is_waiting(consumer):
            return SQL(
                """
                is_processed IS NOT TRUE AND %s
                AND NOT EXISTS (
                    SELECT FROM webhook_delivery delivery
                      JOIN webhook_subscriber subscriber
                        ON subscriber.id = delivery.subscriber_id
                     WHERE delivery.event_id = e.id AND delivery.state = 'pending'
                       AND subscriber.receiver_user_id = %s
                )
                """,
                consumer._has_open("e"),
                consumer.user_id.id,
            )

        def confirm(consumer, event_ids):
            consumer.env["webhook.confirmation"]._settle(event_ids, consumer)

        self._change(is_waiting, confirm)

    def _change(self, condition, action):
        """Do something with all events that fulfil a condition now, for each of these consumers.

        It takes many READ COMMITTED transactions, so that others wait for a few events only.
        Events that come meanwhile are left out.

        :param condition: function of a consumer: the SQL condition on the event ``e``
        :param action: function of a consumer and the ids of some events, which are locked
        """
        for consumer_id in self.ids:
            with self.env.registry.cursor() as cr:  # has one snapshot for all of its statements
                snapshot = self.with_env(self.env(cr=cr, su=True)).browse(consumer_id)
                where, last_id = condition(snapshot), 0
                while event_ids := snapshot._next_events(where, last_id):
                    with read_committed(snapshot.env) as env:
                        locked = env["update.webhook"].browse(event_ids)._locked()
                        action(snapshot.with_env(env), locked)
                    last_id = event_ids[-1]

    def _next_events(self, where, last_id):
        self.env.cr.execute(
            SQL(
                "SELECT id FROM update_webhook e WHERE id > %s AND %s ORDER BY id LIMIT %s",
                *(last_id, where, _CHUNK),
            )
        )
        return [event_id for (event_id,) in self.env.cr.fetchall()]

    def action_start_over(self):
        """Offer this consumer everything that is still there, whether others confirmed it or not.

        What it has confirmed itself is offered, too.
        """
        self._check_system()
        self._check_users()

        def is_seen(consumer):
            return self.env["update.webhook"]._visible("e", consumer.user_id)

        def offer(consumer, event_ids):
            consumer.env["webhook.confirmation"]._offer(event_ids, consumer)

        self._change(is_seen, offer)

    def action_skip(self):
        """Give up everything that waits for this consumer: it goes on with what comes from now."""
        self._check_system()
        self._check_users()
        self._skip()

    def _check_system(self):
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(
                self.env._("Only system administrators may change what consumers get.")
            )

    def _check_users(self):
        if self.filtered("subscriber_id"):
            raise ValidationError(
                self.env._(
                    "This consumer is a subscriber that confirms on delivery. Use a replay to "
                    "send it events again, and cancel its deliveries to give them up."
                )
            )

    def write(self, vals):
        result = super().write(vals)
        if "active" in vals and not vals["active"]:
            self._release()
        return result

    def unlink(self):
        """Delete consumers, and what they gave up does not show in events any more."""
        self._release()
        confirmations = self.env["webhook.confirmation"].sudo()
        given_up = confirmations.search(
            [("consumer_id", "in", self.ids), ("failed_at", "!=", False)]
        ).event_id.ids
        result = super().unlink()
        confirmations._summarise(given_up)
        return result

    @api.model
    def _release(self):
        """Have events processed soon that only those held back who are no consumers any more."""
        if cron := self.env.ref(_CRON, raise_if_not_found=False):
            cron._trigger()  # the addon's own installation has none yet

    @api.model
    def _cron_release(self):
        """Mark events as processed that no consumer holds back any more."""
        self._add_members()
        last_id = 0
        while last_id is not None:
            with read_committed(self.env) as env:
                last_id = env["webhook.consumer"]._release_after(last_id)

    @api.model
    def _release_after(self, event_id):
        """Release the next events that somebody has confirmed, and return the last one's id.

        LIMIT 1 makes PostgreSQL look up each event. It would otherwise read all confirmations and
        deliveries each time.
        """
        self._admit_nobody()
        self.env.cr.execute(
            """
            SELECT id FROM update_webhook e
             WHERE id > %s AND is_processed IS NOT TRUE
               AND coalesce(
                    (SELECT TRUE FROM webhook_confirmation WHERE event_id = e.id LIMIT 1),
                    (
                        SELECT TRUE FROM webhook_delivery delivery
                          JOIN webhook_subscriber subscriber
                            ON subscriber.id = delivery.subscriber_id
                         WHERE delivery.event_id = e.id AND delivery.state <> 'pending'
                           AND subscriber.confirm_on_delivery
                         LIMIT 1
                    )
                   )
             ORDER BY id LIMIT %s FOR NO KEY UPDATE
            """,
            [event_id, _CHUNK],
        )
        event_ids = [found for (found,) in self.env.cr.fetchall()]
        self.env["webhook.confirmation"]._settle(event_ids)
        return event_ids[-1] if event_ids else None
