import gc
import os
import threading
import weakref
from unittest.mock import patch

from odoo.service import server
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..delivery import sender


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

        def deliver(_database, _subscriber_id, connections_for):
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
