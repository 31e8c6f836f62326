"""Statements that PostgreSQL plans once per connection, and not each time.

Of a statement that touches a row in each of five tables, planning takes two thirds of the time. A
PL/pgSQL function keeps its plans as long as the connection lives (PostgreSQL, "Plan Caching"); what
is prepared does, too, but not behind a pooler that gives every transaction another connection.
"""

import dataclasses
import functools

from odoo.tools import SQL

# A plan that is kept must not depend on how small the tables were when it was made.
_DEFINITION = """
    CREATE FUNCTION {name}({types}) RETURNS {returns} LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
    AS $function$
    #variable_conflict use_column
    BEGIN RETURN QUERY {query}; END
    $function$
"""


@dataclasses.dataclass(frozen=True)
class Planned:
    """A statement that is kept in the database as a function."""

    name: str
    #: ``{parameter: SQL type}``
    parameters: dict
    #: ``SETOF type``, or ``TABLE (column type, …)``
    returns: str
    #: the statement, with ``%(parameter)s``
    query: str

    def define(self, cr):
        """Make or replace the function; to be called by the ``init`` of a model."""
        self.drop(cr)
        places = {parameter: f"${place}" for place, parameter in enumerate(self.parameters, 1)}
        definition = _DEFINITION.format(
            name=self.name,
            types=", ".join(self.parameters.values()),
            returns=self.returns,
            query=self.query % places,
        )
        cr.execute(SQL(definition))  # pylint: disable=sql-injection  # constants

    def drop(self, cr):
        """Remove the function; to be called when the addon is uninstalled."""
        cr.execute(SQL("DROP FUNCTION IF EXISTS %s", SQL.identifier(self.name)))

    @functools.cached_property
    def call(self):
        """SQL that runs the statement, with ``%(parameter)s``."""
        values = (f"%({name})s::{sql_type}" for name, sql_type in self.parameters.items())
        return f"SELECT * FROM {self.name}({', '.join(values)})"  # noqa: S608  # constants
