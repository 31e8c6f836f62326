"""What the addon needs from PostgreSQL and Odoo's ORM does not offer.

In: a cursor or an environment of Odoo. Out: statements that are planned once per connection,
transactions that wait for rows instead of failing, fields of 64 bits, and the place of the
database. Nothing here knows a table of the addon.
"""

from . import bigints, place, planned, transactions
