"""The dialogues of administrators: erase the values in a record's events, make an API key, send a
sample.

In: what an administrator chose. Out: changed events, a key that is shown once, or a request to an
endpoint. A dialogue keeps nothing itself, but Odoo keeps what was typed into it for about an hour.
"""

from . import webhook_erasure, webhook_key, webhook_sample
