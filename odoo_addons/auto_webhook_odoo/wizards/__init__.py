"""The dialogues of administrators: erase the values in a record's events, make an API key.

In: what an administrator chose. Out: changed events, or a key that is shown once. A dialogue keeps
nothing itself.
"""

from . import webhook_erasure, webhook_key
