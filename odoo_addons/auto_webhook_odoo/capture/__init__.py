"""What the addon does inside the business transaction: it notices changes and writes their events.

In: records that ``models/base.py`` sees the ORM change, and the configuration of their models. Out:
rows of ``update.webhook``, and deliveries for the events that are pushed at once. Code in here
opens no network connection, commits nothing, and changes no business record.
"""

from . import changes, columns, companies, effects, events, names, rendering, statements, tracking
