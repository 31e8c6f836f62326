"""The fast path: a background thread that delivers right after a commit.

The thread belongs to the process and is started by the first commit that needs it: in prefork
mode the master loads registries before it forks, and a thread does not survive a fork. It only
shortens the wait. Whatever it misses (killed process, restart) the cron delivers.
"""

import logging
import os
import threading

from odoo.modules.registry import Registry

from .dispatcher import deliver_due

_logger = logging.getLogger(__name__)

_KEY = "auto_webhook_odoo.wake_sender"


def wake_sender(cr):
    """Have the deliveries of this transaction sent as soon as it is committed."""
    if _KEY not in cr.postcommit.data:
        cr.postcommit.data[_KEY] = True
        cr.postcommit.add(lambda dbname=cr.dbname: _wake(dbname))


def _wake(dbname):
    try:
        _Sender.of_process().wake(dbname)
    except RuntimeError:  # no more threads; an error here would fail a request that is committed
        _logger.exception("Webhooks cannot be sent right now; the cron will do it.")


class _Sender:
    """The sender thread of one process."""

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
        self._databases = set()
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="webhook.sender", daemon=True).start()

    def wake(self, dbname):
        """Look for due deliveries of a database. Returns at once."""
        with self._changed:
            self._databases.add(dbname)
            self._changed.notify()

    def _run(self):
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._databases)
                dbname = self._databases.pop()
            threading.current_thread().dbname = dbname  # shown in Odoo's log lines
            try:
                deliver_due(Registry(dbname))
            except Exception:  # the thread must outlive whatever happens to one database
                _logger.exception("Sending webhooks failed; the cron will try again.")
