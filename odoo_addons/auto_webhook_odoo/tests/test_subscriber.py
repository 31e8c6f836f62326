from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..delivery import sender
from .certificates import issue
from .common import WebhookCase

_SECRET = "whsec_" + "c2VjcmV0" * 4
_OTHER = "whsec_" + "b3RoZXIh" * 4
_URL = "https://example.com/hook"


class SubscriberCase(WebhookCase):
    def subscriber(self, **values):
        return self.env["webhook.subscriber"].create({"name": "Sink", "url": _URL, **values})


@tagged("post_install", "-at_install")
class TestRotation(SubscriberCase):
    """The old signing secret stays valid until the endpoint can have learned the new one."""

    def secrets(self, subscriber):
        valid = subscriber.previous_secret_until
        return subscriber.signing_secret, valid and subscriber.previous_secret

    def test_the_old_secret_stays_valid_however_it_is_replaced(self):
        subscriber = self.subscriber(signing_secret=_SECRET, rotation_hours=2)
        subscriber.signing_secret = _OTHER
        self.assertEqual(self.secrets(subscriber), (_OTHER, _SECRET))
        hours = (subscriber.previous_secret_until - fields.Datetime.now()) / timedelta(hours=1)
        self.assertAlmostEqual(hours, 2, delta=0.1)

    def test_a_secret_that_may_be_in_use_is_not_dropped(self):
        subscriber = self.subscriber(signing_secret=_SECRET)
        subscriber.action_new_secret()
        before = self.secrets(subscriber)
        with self.assertRaisesRegex(UserError, "valid until"):
            subscriber.action_new_secret()
        with self.assertRaisesRegex(UserError, "valid until"):
            subscriber.signing_secret = _OTHER
        self.assertEqual(self.secrets(subscriber), before)
        subscriber.previous_secret_until = fields.Datetime.now()
        subscriber.action_new_secret()
        self.assertEqual(subscriber.previous_secret, before[0])

    def test_a_replacement_can_be_taken_back(self):
        subscriber = self.subscriber(signing_secret=_SECRET)
        subscriber.signing_secret = _OTHER
        subscriber.signing_secret = _SECRET
        self.assertEqual(self.secrets(subscriber), (_SECRET, _OTHER))

    def test_both_secrets_can_be_replaced_at_once(self):
        subscriber = self.subscriber(signing_secret=_SECRET)
        subscriber.action_new_secret()
        subscriber.write({"signing_secret": _OTHER, "rotation_hours": 0})
        self.assertEqual(self.secrets(subscriber), (_OTHER, False))

    def test_the_same_again_changes_nothing(self):
        subscriber = self.subscriber(signing_secret=_SECRET)
        subscriber.write({"signing_secret": _SECRET})
        self.assertEqual(self.secrets(subscriber), (_SECRET, False))


@tagged("post_install", "-at_install")
class TestSubscriber(SubscriberCase):
    def test_copies_send_nothing_and_have_no_secrets(self):
        for values in (
            *({"auth_type": "bearer", "auth_token": "abc"}, {"auth_type": "signature"}),
            *({"auth_type": "api_key", "auth_token": "abc"}, {"auth_type": "none"}),
            {"auth_type": "basic", "auth_token": "u:p", "signing_secret": False},
        ):
            with self.subTest(**values):
                subscriber = self.subscriber(**values)
                copy = subscriber.copy()
                self.assertEqual((copy.state, copy.name), ("disabled", "Sink (copy)"))
                self.assertFalse(copy.auth_token)
                self.assertTrue(copy.signing_secret)
                self.assertNotEqual(copy.signing_secret, subscriber.signing_secret)

    def test_no_credentials_in_the_url(self):
        for url in ("https://user:pass@example.com/", "https://user@example.com/"):
            with self.subTest(url=url), self.assertRaisesRegex(ValidationError, "Basic"):
                self.subscriber(url=url)
        self.subscriber(url="https://example.com/@me")

    def test_only_archived_ones_can_be_deleted(self):
        subscriber = self.subscriber()
        with self.assertRaisesRegex(UserError, "Archive"):
            subscriber.unlink()
        subscriber.active = False
        subscriber.unlink()
        self.assertFalse(subscriber.exists())

    def woken_by(self, subscriber, values):
        with patch.object(sender, "wake_sender") as wake_sender:
            subscriber.write(values)
        return {woken for call in wake_sender.call_args_list for woken in call.args[1]}

    def test_a_pause_ends_when_the_connection_is_changed(self):
        client = issue("odoo.example")
        for values in (
            *({"url": "https://example.org"}, {"auth_type": "bearer", "auth_token": "abc"}),
            *({"signing_secret": _SECRET}, {"verify_ssl": False}),
            {"client_certificate": client.certificate, "client_key": client.key},
        ):
            subscriber = self.subscriber()
            now = fields.Datetime.now()
            pause = {
                "paused_until": now + timedelta(hours=1),
                "consecutive_failures": 3,
                "failing_since": now,
            }
            subscriber.write(pause)
            with self.subTest(**values):
                self.assertFalse(self.woken_by(subscriber, {"name": "Renamed", "url": _URL}))
                self.assertEqual(subscriber.consecutive_failures, 3)
                self.assertEqual(self.woken_by(subscriber, values), {subscriber.id})
                self.assertFalse(any(subscriber[name] for name in pause))

    def test_unarchiving_wakes_the_sender(self):
        subscriber = self.subscriber(active=False)
        self.assertEqual(self.woken_by(subscriber, {"active": True}), {subscriber.id})
        self.assertFalse(self.woken_by(subscriber, {"active": False}))


@tagged("post_install", "-at_install")
class TestReceiverUser(SubscriberCase):
    """A new endpoint of a BridgeCore receiver is linked to the receiver's user."""

    URL = "https://bridgecore.example.com/api/v1/webhooks/receive"

    def setUp(self):
        super().setUp()
        group = self.env.ref("auto_webhook_odoo.group_webhook_receiver")
        group.user_ids = False
        self.manager = self.webhook_user("manager")  # in the group, because theirs implies it
        self.receiver = self.webhook_user("receiver", login="bridgecore")
        self.receiver.group_ids += self.env.ref("base.group_user")

    def test_the_only_receiver_is_filled_in(self):
        self.assertEqual(self.subscriber(url=self.URL).receiver_user_id, self.receiver)
        form = Form(self.env["webhook.subscriber"])
        form.name, form.url = "BridgeCore", self.URL
        self.assertEqual(form.receiver_user_id, self.receiver)
        form.url = "https://example.com/hook"
        self.assertFalse(form.receiver_user_id)
        form.url = self.URL
        form.receiver_user_id = self.manager
        self.assertEqual(form.save().receiver_user_id, self.manager)

    def test_an_administrator_may_leave_it_empty(self):
        form = Form(self.env["webhook.subscriber"])
        form.name, form.url = "BridgeCore", self.URL
        form.receiver_user_id = self.env["res.users"]
        subscriber = form.save()
        self.assertFalse(subscriber.receiver_user_id)
        subscriber.url = self.URL.replace("bridgecore", "other")
        self.assertFalse(subscriber.receiver_user_id)

    def test_nobody_is_guessed(self):
        self.assertFalse(self.subscriber(url="https://example.com/hook").receiver_user_id)
        other = self.webhook_user("receiver", login="other")
        other.group_ids += self.env.ref("base.group_user")
        self.assertFalse(self.subscriber(url=self.URL).receiver_user_id)
        other.active = False
        self.assertEqual(self.subscriber(url=self.URL).receiver_user_id, self.receiver)
        self.receiver.group_ids -= self.env.ref("auto_webhook_odoo.group_webhook_receiver")
        self.assertFalse(self.subscriber(url=self.URL).receiver_user_id)

    def test_an_endpoint_that_is_moved_elsewhere_loses_it(self):
        """Otherwise events would be hidden from whoever is there."""
        subscriber = self.subscriber(url=self.URL)
        subscriber.url = self.URL.replace("bridgecore", "new")
        self.assertEqual(subscriber.receiver_user_id, self.receiver)
        subscriber.url = "https://example.com/hook"
        self.assertFalse(subscriber.receiver_user_id)
        subscriber.write({"url": "https://example.org/hook", "receiver_user_id": self.receiver.id})
        self.assertEqual(subscriber.receiver_user_id, self.receiver)

    def test_a_receiver_without_a_known_user_is_pointed_out(self):
        self.receiver.active = False
        subscriber = self.subscriber(url=self.URL)
        self.assertTrue(subscriber.lacks_receiver)
        subscriber.receiver_user_id = self.manager
        self.assertFalse(subscriber.lacks_receiver)
        subscriber.write({"receiver_user_id": False, "confirm_on_delivery": True})
        self.assertFalse(subscriber.lacks_receiver)
        self.assertFalse(self.subscriber(url="https://example.com/hook").lacks_receiver)

    def test_only_system_administrators_choose_it(self):
        subscriber = self.subscriber(url=self.URL)
        with self.assertRaises(AccessError):
            subscriber.with_user(self.manager).receiver_user_id = self.manager
