"""What the addon does after the commit: it sends deliveries to the endpoints of subscribers.

In: deliveries that are due. Out: HTTP requests, and their outcomes in the database. No transaction
is open while an endpoint is talked to, and no error in here reaches the user who made the change.
"""

from . import connections, database, dispatcher, sender, shown_request, statements, transport
