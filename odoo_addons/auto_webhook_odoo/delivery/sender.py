"""The fast path: threads that deliver right after a commit.

Each endpoint has a *lane*, a thread of its own, so an endpoint that hangs delays no other. Lanes
belong to their process. The first commit that needs a lane starts it: in prefork mode the master
loads registries before it forks, and a thread does not survive a fork. A lane also sleeps until its
next retry is due. Lanes only shorten the wait: the cron delivers whatever they miss, for example
because a process was killed. It uses lanes, too: those of its own process.
"""

import contextlib
import functools
import logging
import os
import threading
import time

import psycopg2

from odoo.service import server

from ..postgres.place import ElsewhereError
from .connections import open_connections
from .database import Database, Limits
from .dispatcher import deliver

_logger = logging.getLogger(__name__)

_KEY = "auto_webhook_odoo.wake_sender"

# Seconds. Python runs a woken thread only when the waking thread waits for something, often two
# milliseconds later. This pause lets the lane send its query to the database first.
_GIVE_WAY = 0.0001

_LINGER = 60  # seconds that an idle lane keeps its connection open
_PAUSE_AFTER_ERROR = 5  # seconds; for errors of the addon or the database, not of the endpoint
_MOST_ERRORS = 5  # in a row; then the lane ends, and the cron starts a new one

_warn_once = functools.cache(_logger.warning)  # in each process


def wake_sender(cr, subscriber_ids):
    """Have the deliveries of this transaction sent as soon as it is committed."""
    if _KEY not in cr.postcommit.data:
        woken = cr.postcommit.data[_KEY] = set()
        cr.postcommit.add(lambda dbname=cr.dbname: wake(dbname, woken))
    cr.postcommit.data[_KEY].update(subscriber_ids)


def wake(dbname, subscriber_ids):
    """Make the lanes of these subscribers look for due deliveries. Return at once; never raise."""
    if _is_prefork_master():
        return
    try:
        idle = [_Lanes.of_process().wake(dbname, subscriber_id) for subscriber_id in subscriber_ids]
        if any(idle):
            time.sleep(_GIVE_WAY)
    except RuntimeError:
        # No thread can be started. To raise would fail a request whose changes are committed.
        _logger.exception("No thread could be started to send webhooks; the cron will send them.")


def take_turn(dbname, seconds):
    """Let the lanes of a database work as long as a cron may, and return whether work is left.

    A threaded server lives longer than its crons, and so do its lanes: nothing has to be waited
    for. Another process may end as soon as the cron returns, or lose its connections: a cron worker
    that serves several databases closes them. So lanes that still work when the time is over finish
    their messages, and record the outcomes. Otherwise these messages would be sent again.
    """
    if isinstance(server.server, server.ThreadedServer):
        return False
    return _Lanes.of_process().take_turn(dbname, seconds)


def _is_prefork_master():
    """Return whether this process is the one that forks Odoo's workers.

    If it had a running thread, its children would inherit the locks and connections of the thread.
    The master does commit changes, when it installs modules at its start.
    """
    running = server.server
    return isinstance(running, server.PreforkServer) and running.pid == os.getpid()


class _Lanes:
    """The lanes of one process."""

    _lock = threading.Lock()
    _instance = None

    @classmethod
    def of_process(cls):
        with cls._lock:
            if cls._instance is None or cls._instance._pid != os.getpid():
                cls._instance = cls()
            return cls._instance

    def __init__(self):
        self._pid = os.getpid()
        #: also protects the state of the lanes
        self.lock = threading.Lock()
        self.some_idle = threading.Condition(self.lock)
        #: {(database, subscriber id): lane}
        self.lanes = {}
        self.limits = Limits()
        #: a turn is over; a lane that is woken now begins no message
        self.ending = False

    def wake(self, *key):
        """Wake a lane, and return whether it was idle."""
        with self.lock:
            lane = self.lanes.get(key)
            if lane is None:
                lane = _Lane(self, key)
                lane.start()  # if this fails, the next call tries it again
                self.lanes[key] = lane
            lane.woken = True
            lane.called.notify()
            return not lane.busy

    def take_turn(self, dbname, seconds):
        """Wait until the lanes have nothing to do, and return False.

        If they still work after so many seconds, wait as long again until they have finished their
        messages, and return True.
        """

        def working():
            return [
                lane
                for key, lane in self.lanes.items()
                if key[0] == dbname and (lane.woken or lane.busy)
            ]

        with self.lock:
            if self.some_idle.wait_for(lambda: not working(), seconds):
                return False
            for lane in working():
                lane.finishing = True
            self.ending = True
            self.some_idle.wait_for(lambda: not working(), seconds)
            self.ending = False
            return True


class _Lane(threading.Thread):
    """Delivers to one subscriber."""

    def __init__(self, lanes, key):
        super().__init__(name=f"webhook.lane.{key[1]}", daemon=True)
        self.dbname = key[0]  # Odoo shows it in the log lines of the thread
        self.called = threading.Condition(lanes.lock)
        self.woken = self.busy = False
        #: begins no further message of the work in hand
        self.finishing = False
        self._lanes, self._key = lanes, key

    def run(self):
        # only those of the present settings: secrets of earlier ones are not kept
        connections_for = functools.lru_cache(maxsize=1)(open_connections)
        errors, wait = 0, 0
        with contextlib.closing(Database(self.dbname, self._lanes.limits)) as database:
            while self._wait_for_work(wait):
                try:
                    wait = deliver(database, self._key[1], connections_for, lambda: self.finishing)
                    errors = 0
                except ElsewhereError as reason:
                    wait = None  # the lane is woken when an administrator has decided
                    _warn_once("Webhooks are not pushed. %s", str(reason))
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    # most likely PostgreSQL was restarted while the connection was kept
                    errors += 1
                    wait = 0 if errors == 1 else _PAUSE_AFTER_ERROR
                    _logger.warning("The database is away; webhooks will be tried again.")
                except Exception:  # no error of one claim may end the lane
                    errors += 1
                    wait = _PAUSE_AFTER_ERROR if errors < _MOST_ERRORS else None
                    _logger.exception("Sending webhooks failed; they will be tried again.")

    def _wait_for_work(self, wait):
        """Return True when the lane is woken or ``wait`` seconds are over.

        If no delivery waits (``wait`` is None) and nothing wakes the lane for a while, return
        False: the lane ends.
        """
        with self._lanes.lock:
            self.busy = False
            self._lanes.some_idle.notify_all()
            self.called.wait_for(lambda: self.woken, _LINGER if wait is None else wait)
            if wait is None and not self.woken:
                del self._lanes.lanes[self._key]
                return False
            self.woken, self.busy = False, True
            self.finishing = self._lanes.ending
            return True
