"""Puts a database back to where it was, whatever was written. Runs inside Odoo.

It knows nothing of the variants, so all are cleaned in the same way.
"""

from __future__ import annotations

from typing import Any

from psycopg2 import IntegrityError
from psycopg2.sql import SQL, Identifier, Literal


class Leftovers:
    """The rows that came after this object was made."""

    def __init__(self, cr: Any) -> None:
        cr.execute(
            """
            SELECT t.table_name::text, bool_or(c.column_name = 'id')
              FROM information_schema.tables t
              JOIN information_schema.columns c USING (table_schema, table_name)
             WHERE t.table_schema = current_schema AND t.table_type = 'BASE TABLE'
             GROUP BY 1
            """
        )
        tables = dict(cr.fetchall())
        self._with_id = [name for name, has_id in tables.items() if has_id]
        without_id = [name for name, has_id in tables.items() if not has_id]
        self._last_ids = self._read_last_ids(cr)
        # Rows without an id cannot be told apart by age, but where there was none all are new;
        # elsewhere (relations of existing tables) they go with the rows that they link.
        self._were_empty = [name for name in without_id if not self._filled(cr, name)]

    def remove(self, cr: Any) -> list[str]:
        """Delete them; returns the tables that held some."""
        grown = [
            (name, SQL("id > {}").format(Literal(self._last_ids[name])))
            for name, last in self._read_last_ids(cr).items()
            if last > self._last_ids[name]
        ]
        grown += [(n, SQL("TRUE").format()) for n in self._were_empty if self._filled(cr, n)]
        remaining = grown
        while remaining:
            # Referenced rows may only go after those that refer to them.
            refused = [table for table in remaining if not self._delete(cr, *table)]
            if len(refused) == len(remaining):
                raise RuntimeError(f"Cannot clean {[name for name, _ in refused]}")
            remaining = refused
        return [name for name, _condition in grown]

    def _read_last_ids(self, cr: Any) -> dict[str, int]:
        selects = [
            SQL("SELECT {}, coalesce(max(id), 0) FROM {}").format(Literal(name), Identifier(name))
            for name in self._with_id
        ]
        cr.execute(SQL(" UNION ALL ").join(selects))
        return dict(cr.fetchall())

    @staticmethod
    def _filled(cr: Any, table: str) -> bool:
        cr.execute(SQL("SELECT EXISTS (SELECT FROM {})").format(Identifier(table)))
        return bool(cr.fetchone()[0])

    @staticmethod
    def _delete(cr: Any, table: str, condition: Any) -> bool:
        try:
            # Odoo's own savepoint would run the recorders' hooks.
            with cr.savepoint(flush=False):
                cr.execute(SQL("DELETE FROM {} WHERE {}").format(Identifier(table), condition))
        except IntegrityError:
            return False
        return True
