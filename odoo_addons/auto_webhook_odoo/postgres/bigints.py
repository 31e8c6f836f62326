"""Fields that PostgreSQL stores in 64 bits.

Odoo stores ids, and the references to them, in 32 bits. Tables that traffic fills would use these
up: at a hundred rows a second after eight months.
"""

from odoo import fields
from odoo.tools import SQL

_INT8 = ("int8", "int8")


class BigId(fields.Id):
    """The id of a table that traffic fills: ``id = BigId()``."""

    column_type = _INT8

    def update_db(self, model, columns):
        """Widen the column and its sequence. Odoo has created both with 32 bits.

        A table with rows is rewritten, and locked meanwhile.
        """
        if columns["id"]["udt_name"] == _INT8[0]:
            return
        model.env.cr.execute(
            SQL(
                "ALTER TABLE %s ALTER COLUMN id TYPE int8; ALTER SEQUENCE %s AS int8",
                SQL.identifier(model._table),
                SQL.identifier(f"{model._table}_id_seq"),
            )
        )


class BigInteger(fields.Integer):
    """A whole number that may be larger than 32 bits, such as a cursor or an id."""

    _column_type = _INT8


class BigMany2one(fields.Many2one):
    """A reference to a table that has a ``BigId``."""

    _column_type = _INT8
