"""Where a database is, by which it can be told from its copies.

A copy holds everything that the original holds, so nothing in its tables tells the two apart. Only
its place does: the cluster, and its name and numbers there. Managed services may refuse some of the
functions that tell it: on AWS Aurora those of the write-ahead log fail. A part that cannot be asked
is None.
"""

import functools
import hashlib
import json
import weakref
from typing import NamedTuple

from odoo.sql_db import Cursor
from odoo.tools import SQL

#: The system parameter that holds the place at which a database is the original.
KEY = "auto_webhook_odoo.place"

# Each part that may be refused has a block of its own: the error ends there, and the transaction
# goes on. PostgreSQL does not log it. Services refuse with errors of different kinds.
_DEFINITION = """
    CREATE FUNCTION webhook_place(
        table_name text, OUT cluster text, OUT timeline text, OUT database text,
        OUT database_oid bigint, OUT table_oid bigint
    ) LANGUAGE plpgsql AS $function$
    BEGIN
        SELECT datname, oid, to_regclass(table_name)::oid
          INTO database, database_oid, table_oid
          FROM pg_database WHERE datname = current_database();
        BEGIN
            cluster := (SELECT system_identifier FROM pg_control_system());
        EXCEPTION WHEN OTHERS THEN
            cluster := NULL;
        END;
        BEGIN
            timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
        EXCEPTION WHEN OTHERS THEN
            timeline := NULL;
        END;
    END
    $function$
"""
_DROP = "DROP FUNCTION IF EXISTS webhook_place(text)"
_PARAMETER = "SELECT value FROM ir_config_parameter WHERE key = %s"
_READ = """
    SELECT *, (SELECT value FROM ir_config_parameter WHERE key = %s) FROM webhook_place(%s)
"""


# {connection: Place}
_places = weakref.WeakKeyDictionary()


class Place(NamedTuple):
    """The place of a database."""

    #: the system identifier of the cluster, which its standbys share; None if it cannot be asked
    cluster: str | None
    #: is new after a standby took over or a point in time was recovered; None if it cannot be asked
    timeline: str | None
    #: name of the database
    database: str
    #: number of the database in its cluster, which a copy made by SQL or a restored dump has not
    database_oid: int
    #: number of a table in the database, which a restored dump has not
    table_oid: int

    @classmethod
    def parse(cls, text):
        """Return the place that ``as_text`` made this text of."""
        try:
            return cls(timeline=None, **json.loads(text))
        except (TypeError, ValueError):  # not our text; no database is at such a place
            return cls(None, None, text, 0, 0)

    def as_text(self):
        """Return what is stored of the place. The timeline is left out: it is no other place."""
        parts = self._asdict()
        del parts["timeline"]
        return json.dumps(parts)

    def is_at(self, home):
        """Return whether a database that is here has stayed at the place ``home``.

        In one cluster, the name decides. So a backup that is restored under the name of its
        original takes the original's place. If one of the two clusters is not known, the numbers
        must agree, too. They do if only the right to ask for the cluster has changed.
        """
        if self.cluster and home.cluster:
            return (self.cluster, self.database) == (home.cluster, home.database)
        return self[2:] == home[2:]

    def completed(self, home):
        """Return this place, with the cluster of ``home`` if it cannot be asked now."""
        return self._replace(cluster=self.cluster or home.cluster)

    @property
    def instance(self):
        """A short name of the place for receivers, which says nothing else about it.

        A database keeps it as long as it ``is_at`` its place.
        """
        parts = [self.cluster, self.database] if self.cluster else self[2:]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


class ElsewhereError(Exception):
    """The database is not where it was the original, so it may be a copy."""


@functools.lru_cache(maxsize=16)
def instance_of(text):
    """Return the ``instance`` of a stored place; empty if none is stored."""
    return Place.parse(text).instance if text else ""


def define(cr):
    """Create or replace the function that ``read`` calls."""
    drop(cr)
    cr.execute(SQL(_DEFINITION))


def drop(cr):
    """Remove the function."""
    cr.execute(SQL(_DROP))


def read(cr, table, key):
    """Return the ``Place`` of the database, and the value of a system parameter or None.

    One statement reads both, and reads the parameter itself: Odoo's cache of parameters would not
    do for a thread that does not learn what other processes have changed.
    """
    cr.execute(_READ, [key, table])
    *parts, value = cr.fetchone()
    return Place(*parts), value


def read_once(cr, table, key):
    """Return what ``read`` does, but look for the place once per connection.

    A connection cannot move to another database. Only the timeline may have changed since.
    """
    connection = cr.connection if isinstance(cr, Cursor) else None  # Odoo's tests share one
    if connection not in _places:
        found, value = read(cr, table, key)
        if connection:
            _places[connection] = found
        return found, value
    cr.execute(_PARAMETER, [key])
    row = cr.fetchone()
    return _places[connection], row and row[0]
