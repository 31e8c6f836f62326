from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common_http import FeedHttpCase


@tagged("post_install", "-at_install")
class TestDevices(FeedHttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.add_user("colleague", "auto_webhook_odoo.group_webhook_consumer")

    def setUp(self):
        super().setUp()
        self.forget()

    def state(self, device="phone", key="consumer", **body):
        status, answer = self.call("sync-state", {"device_id": device, **body}, key)
        self.assertEqual(status, 200, answer)
        return answer["sync_state"]

    def update(self, cursor, device="phone", key="consumer", **body):
        body = {"device_id": device, "last_event_id": cursor, **body}
        status, answer = self.call("sync-state/update", body, key)
        self.assertEqual(status, 200, answer)
        return answer["sync_state"]

    def cursors(self, count):
        """Have so many events; return the cursor behind each."""
        for _number in range(count):
            self.env["res.partner"].create({"name": "Ada"})
            self.next_transaction()
        cursors, page = [], {"last_id": 0}
        for _number in range(count):
            body = {"last_event_id": page["last_id"], "limit": 1}
            _status, page = self.call("pull", body, "consumer")
            cursors.append(page["last_id"])
        return cursors

    def test_created_on_first_use(self):
        told = {"app_type": "sales", "app_version": "1.0", "device_info": "Ünï <b>5</b>"}
        state = self.state(**told)
        self.assertEqual(
            state,
            {
                "id": state["id"],
                "user_id": self.users["consumer"].id,
                "device_id": "phone",
                **told,
                "last_event_id": 0,
                "last_sync_time": None,
                "sync_count": 0,
                "total_events_synced": 0,
                "is_active": True,
            },
        )
        _status, again = self.call("sync-state?device_id=phone", key="consumer")
        self.assertEqual(again["sync_state"], state)
        self.assertEqual(self.state(app_version="1.1")["app_version"], "1.1")

    def test_what_a_device_says_about_itself_may_be_an_object(self):
        self.assertEqual(self.state(device_info={"os": "X"})["device_info"], '{"os":"X"}')

    def test_a_cursor_moves_forwards_only_unless_reset(self):
        early, late = self.cursors(2)
        state = self.update(late, events_synced=2)
        self.assertEqual((state["last_event_id"], state["total_events_synced"]), (late, 2))
        self.assertRegex(state["last_sync_time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(self.update(early)["last_event_id"], late)
        self.assertEqual(self.update(early, reset=True)["last_event_id"], early)
        self.assertEqual(self.state()["sync_count"], 3)

    def test_devices_are_independent_of_each_other_and_of_processing(self):
        first, second = self.cursors(2)
        self.update(first, "phone")
        self.update(second, "tablet")
        event = self.events()[-1]
        self.confirm([event.id], user=self.users["receiver"])
        self.assertEqual(self.state("phone")["last_event_id"], first)
        self.assertEqual(self.state("tablet")["last_event_id"], second)
        self.assertEqual(self.state("phone", key="colleague")["last_event_id"], 0)
        _status, page = self.call("pull", {"last_event_id": first}, "consumer")
        self.assertEqual([event["id"] for event in page["events"]], [event.id])

    def test_a_cursor_larger_than_four_bytes(self):
        self.cursors(1)
        _status, page = self.call("pull", {}, "consumer")
        self.assertGreater(page["last_id"], 2**31)
        self.assertEqual(self.update(page["last_id"])["last_event_id"], page["last_id"])

    def test_others_act_for_a_user_only_if_they_may_confirm(self):
        user = self.users["consumer"].id
        body = {"user_id": user, "device_id": "phone", "last_event_id": 0}
        for path in ("sync-state/update", "sync-state"):
            sent = {k: v for k, v in body.items() if "update" in path or k != "last_event_id"}
            with self.subTest(path=path):
                self.assertRefused(self.call(path, sent, "colleague"), 403, "forbidden")
                status, answer = self.call(path, sent, "receiver")
                self.assertEqual((status, answer["sync_state"]["user_id"]), (200, user))
        refused = self.call(f"sync-state/stats?user_id={user}", key="colleague")
        self.assertRefused(refused, 403, "forbidden")

    def test_users_of_other_companies_are_unknown(self):
        company = self.env["res.company"].create({"name": "Other"})
        theirs = new_test_user(self.env, "theirs", company_id=company.id, company_ids=[company.id])
        body = {"user_id": theirs.id, "device_id": "phone"}
        self.assertRefused(self.call("sync-state", body), 400, "invalid_request")

    def test_statistics(self):
        (cursor,) = self.cursors(1)
        self.update(cursor, "phone", events_synced=5)
        self.update(cursor, "tablet", events_synced=2)
        self.state("phone", key="colleague")
        _status, own = self.call("sync-state/stats", key="consumer")
        self.assertEqual([device["device_id"] for device in own["devices"]], ["tablet", "phone"])
        self.assertEqual(
            [own[key] for key in ("total_devices", "active_devices", "total_syncs")], [2, 2, 2]
        )
        self.assertEqual(own["total_events_synced"], 7)
        _status, one = self.call("sync-state/stats?device_id=phone", key="consumer")
        self.assertEqual((one["total_devices"], one["total_events_synced"]), (1, 5))
        _status, everybody = self.call("sync-state/stats", key="receiver")
        self.assertEqual(everybody["total_devices"], 3)
        user = self.users["colleague"].id
        _status, theirs = self.call(f"sync-state/stats?user_id={user}", key="receiver")
        self.assertEqual(theirs["total_devices"], 1)

    def test_statistics_of_an_app(self):
        self.state("phone", app_type="sales")
        self.state("tablet", app_type="stock")
        self.state("phone", key="colleague", app_type="sales")
        for key, query, wanted in [
            ("receiver", "app_type=sales", 2),
            ("receiver", f"app_type=sales&user_id={self.users['colleague'].id}", 1),
            ("consumer", "app_type=stock", 1),
            ("consumer", "app_type=stock&device_id=phone", 0),
            ("consumer", "app_type=", 2),
        ]:
            with self.subTest(query=query):
                status, answer = self.call(f"sync-state/stats?{query}", key=key)
                self.assertEqual((status, answer["total_devices"]), (200, wanted), answer)
                self.assertEqual(len(answer["devices"]), wanted)

    def test_statistics_stand_in_an_object_too(self):
        self.state()
        _status, answer = self.call("sync-state/stats", key="consumer")
        again = answer.pop("stats")
        self.assertEqual(again["total_devices"], 1)
        self.assertEqual({"success": True, **again}, answer)

    def test_a_silent_device_is_inactive_until_it_calls_again(self):
        state = self.env["user.sync.state"].browse(self.state()["id"])
        self.env.cr.execute(
            "UPDATE user_sync_state SET write_date = %s",
            [fields.Datetime.now() - timedelta(days=91)],
        )
        state.invalidate_recordset()
        state._gc_inactive()
        self.assertFalse(state.is_active)
        self.assertTrue(self.state()["is_active"])

    def test_in_odoo_users_see_their_own_and_managers_start_them_again(self):
        (cursor,) = self.cursors(1)
        device = self.env["user.sync.state"].browse(self.update(cursor)["id"])
        theirs = device.with_user(self.users["colleague"])
        self.assertFalse(theirs.search([]))
        with self.assertRaises(AccessError):
            theirs.action_start_again()
        manager = self.webhook_user("manager")
        device.with_user(manager).action_start_again()
        self.assertEqual(self.state()["last_event_id"], 0)

    def test_managers_start_no_devices_of_other_companies(self):
        (cursor,) = self.cursors(1)
        company = self.env["res.company"].create({"name": "Other"})
        theirs = new_test_user(self.env, "theirs", company_id=company.id, company_ids=[company.id])
        device = self.env["user.sync.state"].create(
            {"user_id": theirs.id, "device_id": "phone", "last_event_id": cursor}
        )
        manager = self.webhook_user("manager")
        with self.assertRaises(AccessError):
            device.with_user(manager).action_start_again()
        self.assertEqual(device.last_event_id, cursor)
