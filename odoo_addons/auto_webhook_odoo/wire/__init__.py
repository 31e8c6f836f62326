"""Pure functions about what is sent: JSON, events, signatures, cursors, delays, addresses, secrets.

Plain values come in, and plain values go out. Nothing here imports Odoo, opens a connection, reads
the clock, or keeps a state.
"""

from . import addresses, backoff, cursor, event, jsontext, masking, message, proxy, signature
