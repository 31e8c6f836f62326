import gc
import os
import threading
import time
import weakref
from unittest.mock import MagicMock, patch

from odoo.service import server
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..delivery import sender
from ..postgres.place import ElsewhereError


@tagged("post_install", "-at_install")
class TestSender(BaseCase):
    def setUp(self):
        super().setUp()
        self.lanes = sender._Lanes()
        self.startPatcher(patch.object(sender._Lanes, "_instance", self.lanes))

    def test_a_lane_that_could_not_start_is_started_by_the_next_call(self):
        started = []
        failing = patch.object(threading.Thread, "start", side_effect=RuntimeError("no threads"))
        with failing, mute_logger("odoo.addons.auto_webhook_odoo.delivery.sender"):
            sender.wake("nowhere", [1])
        with patch.object(threading.Thread, "start", lambda lane: started.append(lane)):
            sender.wake("nowhere", [1])
        self.assertEqual(started, [self.lanes.lanes["nowhere", 1]])

    def test_the_prefork_master_has_no_lanes(self):
        """The master's children would inherit the locks and connections of its lanes."""
        master = object.__new__(server.PreforkServer)
        with patch.object(server, "server", master), patch.object(threading.Thread, "start"):
            master.pid = os.getpid()
            sender.wake("nowhere", [1])
            self.assertFalse(self.lanes.lanes)
            master.pid = os.getppid()  # we are one of its workers
            sender.wake("nowhere", [1])
            self.assertTrue(self.lanes.lanes)

    def test_a_lane_keeps_no_connections_of_earlier_settings(self):
        """They would hold secrets that an administrator has replaced."""
        kept = []

        def deliver(_database, _subscriber_id, connections_for, _is_over):
            if not kept:
                first = connections_for(True, True, "certificate", "key")
                self.assertIs(connections_for(True, True, "certificate", "key"), first)
                kept.append(weakref.ref(first))
                self.lanes.lanes["nowhere", 1].woken = True
            else:
                connections_for(True, True, "certificate", "new key")
                gc.collect()
                kept.append(kept[0]())

        with (
            patch.object(sender, "deliver", deliver),
            patch.object(sender, "Database"),
            patch.object(sender, "_LINGER", 0),
        ):
            lane = self.lanes.lanes["nowhere", 1] = sender._Lane(self.lanes, ("nowhere", 1))
            lane.woken = True
            lane.run()
        self.assertEqual(kept[1:], [None])

    def test_a_lane_of_a_copy_says_so_once_and_ends_quietly(self):
        refused = ElsewhereError("This database may be a copy.")
        with (
            patch.object(sender, "deliver", side_effect=refused) as deliver,
            patch.object(sender, "Database"),
            patch.object(sender, "_LINGER", 0),
            self.assertLogs("odoo.addons.auto_webhook_odoo.delivery.sender", "WARNING") as logged,
        ):
            for _time in range(3):
                lane = self.lanes.lanes["nowhere", 1] = sender._Lane(self.lanes, ("nowhere", 1))
                lane.woken = True
                lane.run()
        self.assertEqual(deliver.call_count, 3)
        (line,) = logged.output
        self.assertIn("not pushed. This database may be a copy.", line)
        self.assertFalse(self.lanes.lanes)


@tagged("post_install", "-at_install")
class TestTurn(BaseCase):
    """The cron lets the lanes work, and gives up its thread again."""

    def setUp(self):
        super().setUp()
        self.lanes = sender._Lanes()
        self.startPatcher(patch.object(sender._Lanes, "_instance", self.lanes))
        self.startPatcher(patch.object(sender, "Database", MagicMock()))
        self.startPatcher(patch.object(server, "server", None))
        self.startPatcher(patch.object(sender, "deliver", self.deliver))
        self.events_left = True
        self.answering = threading.Event()
        self.answering.set()
        self.sent = threading.Semaphore(0)
        self.addCleanup(self.stop)

    def deliver(self, _database, _subscriber_id, _connections_for, is_over):
        """Send one event after the other, as the function of this name."""
        while self.events_left and not is_over():
            self.sent.release()
            self.answering.wait()
            time.sleep(0.001)

    def stop(self):
        self.events_left = False
        self.answering.set()

    def test_at_the_end_a_lane_finishes_its_message_and_goes_on_in_the_next_turn(self):
        sender.wake("db", [1])
        for _turn in range(2):
            self.assertTrue(sender.take_turn("db", 0.1))
            self.assertFalse(self.lanes.lanes["db", 1].busy)
            while self.sent.acquire(blocking=False):
                pass  # forget what was sent in this turn
            sender.wake("db", [1])
            self.sent.acquire()

    def test_an_endpoint_that_hangs_takes_two_turns_at_most(self):
        self.answering.clear()
        sender.wake("db", [1])
        self.assertTrue(sender.take_turn("db", 0.05))
        self.assertTrue(self.lanes.lanes["db", 1].busy)

    def test_a_turn_ends_when_nothing_is_left(self):
        sender.wake("db", [1])
        self.sent.acquire()
        self.events_left = False
        self.assertFalse(sender.take_turn("db", 60))

    def test_other_databases_count_for_nothing(self):
        sender.wake("db", [1])
        self.sent.acquire()
        self.assertFalse(sender.take_turn("other", 60))

    def test_nobody_waits_for_the_lanes_of_a_threaded_server(self):
        sender.wake("db", [1])
        with patch.object(server, "server", object.__new__(server.ThreadedServer)):
            self.assertFalse(sender.take_turn("db", 60))
        self.assertTrue(self.lanes.lanes["db", 1].busy)
