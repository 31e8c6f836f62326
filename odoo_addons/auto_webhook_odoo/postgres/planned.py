"""Statements that PostgreSQL plans once per connection instead of at every call.

For a statement that touches a row in each of five tables, planning takes two thirds of the time. A
PL/pgSQL function keeps its plans as long as the connection lives (PostgreSQL manual, "Plan
Caching"). A prepared statement does so too, but it is lost behind a pooler that gives each
transaction another connection.
"""

import dataclasses
import functools

from odoo.tools import SQL

# The settings make a kept plan independent of how small the tables were when it was made.
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
    """A statement that the database keeps as a function."""

    name: str
    #: ``{parameter: SQL type}``
    parameters: dict
    #: ``SETOF type``, or ``TABLE (column type, …)``
    returns: str
    #: the statement, with its parameters as ``%(parameter)s``
    query: str

    def define(self, cr):
        """Create or replace the function. The ``init`` of a model calls this."""
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
        """Remove the function. The uninstall hook calls this."""
        cr.execute(SQL("DROP FUNCTION IF EXISTS %s", SQL.identifier(self.name)))

    @functools.cached_property
    def call(self):
        """The SQL that runs the statement, with its parameters as ``%(parameter)s``."""
        values = (f"%({name})s::{sql_type}" for name, sql_type in self.parameters.items())
        return f"SELECT * FROM {self.name}({', '.join(values)})"  # noqa: S608  # constants
