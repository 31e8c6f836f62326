"""How long a committed change takes to an endpoint, and how many a second get there.

Contacts are created in a real Odoo server over HTTP, as by another system. The moment after each
COMMIT is noted inside Odoo, the moment at which the whole request has arrived by a trivial
endpoint; both read the machine's monotonic clock. Whoever is measured is alone on the machine
meanwhile: its server starts for its turn and ends with it, and the turns of all alternate in
rounds.
"""
