import os
import threading
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
