import json
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from .common import PartnerCase
from .delivery_case import DeliveryCase
from .sink import Sink


class SampleCase(PartnerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscriber = cls.env["webhook.subscriber"].create(
            {"name": "Sink", "url": "https://example.com/hook"}
        )
        cls.admin = new_test_user(cls.env, "sampler", groups="base.group_system")

    def sample(self, record=None, user=None, context=None, **values):
        samples = self.env["webhook.sample"].with_user(user or self.admin)
        samples = samples.with_context(**context or {})
        values = {"subscriber_id": self.subscriber.id, **values}
        if record is not None:
            values["record_id"] = record.id
        return samples.create(values)

    def event_of(self, record=None, **values):
        return json.loads(self.sample(record, **values).body)


@tagged("post_install", "-at_install")
class TestSample(SampleCase):
    def test_it_has_the_form_of_a_real_event(self):
        partner = self.partner(name="Ada", email="ada@example.com", category_id=False)
        partner.email = "lovelace@example.com"
        real = self.events(partner)
        delivery = self.env["webhook.delivery"].create(
            {
                "event_id": real.id,
                "subscriber_id": self.subscriber.id,
                "model": real.model,
                "record_id": real.record_id,
                "next_attempt_at": real.timestamp,
            }
        )
        expected = json.loads(delivery._request()[2])
        sample = self.event_of(partner)
        self.assertEqual(list(sample), ["source", "sample", "events", *list(expected)[1:]])
        own = {"event_id", "record_id", "timestamp", "changed_fields", "old_values"}
        own |= {"user_id", "user_name"}
        for name in expected.keys() - own:
            self.assertEqual(sample[name], expected[name], name)

    def test_a_receiver_can_take_it_for_no_real_event(self):
        sample = self.event_of(self.partner())
        self.assertIs(sample["sample"], True)
        self.assertEqual(sample["events"], [])
        self.assertEqual((sample["event_id"], sample["record_id"]), (0, -1))

    def test_nothing_is_recorded(self):
        partner = self.partner()
        self.config.write({"priority": "high", "instant_send": True})
        for event in ("create", "write", "unlink"):
            self.sample(partner, event=event)
        self.assertFalse(self.events())
        self.assertFalse(self.env["webhook.delivery"].search([]))

    def test_a_change_changes_to_the_same_values(self):
        partner = self.partner(name="Ada")
        sample = self.event_of(partner)
        self.assertEqual(sample["changed_fields"], ["name"])
        self.assertEqual(sample["old_values"], {"name": "Ada"})
        self.config.trigger_field_ids = self.field("email")
        self.assertEqual(self.event_of(partner)["changed_fields"], ["email"])
        for event in ("create", "unlink"):
            with self.subTest(event=event):
                self.assertIsNone(self.event_of(partner, event=event)["changed_fields"])

    def test_a_large_payload_is_reduced(self):
        partner = self.partner(name="Ada", comment="long " * 100)
        self.env["ir.config_parameter"].set_param("auto_webhook_odoo.payload_limit", "300")
        payload = self.event_of(partner)["payload"]
        self.assertEqual(payload["_metadata"], {"reduced_to": "changed_fields"})

    def test_the_last_recorded_record_is_proposed(self):
        self.config.filter_domain = "[('is_company', '=', True)]"
        firm = self.partner(name="Firm", is_company=True, active=False)
        self.partner(name="Ada")
        self.assertEqual(self.sample().record_id, firm.id)

    def test_what_is_not_recorded_is_no_sample(self):
        ada = self.partner(name="Ada")
        self.config.filter_domain = "[('is_company', '=', True)]"
        self.config.on_unlink = False
        firm = self.partner(name="Firm", is_company=True)
        for record, event in ((ada, "write"), (firm, "unlink"), (self.Partner, "write")):
            with self.subTest(record=record, event=event):
                sample = self.sample(record, event=event)
                self.assertTrue(sample.problem)
                self.assertFalse(sample.body)
                with self.assertRaises(UserError):
                    sample.action_send()

    def test_the_models_of_the_endpoint_are_proposed(self):
        self.configure("res.partner.category")
        other = self.subscriber.copy()
        self.config.subscriber_ids = other
        sample = self.sample()
        self.assertEqual(sample.config_ids.mapped("model_name"), ["res.partner.category"])
        self.assertEqual(sample.model_name, "res.partner.category")
        self.assertTrue(self.sample(config_id=self.config.id).problem)

    def test_choosing_something_else_forgets_the_answer(self):
        first, second = self.partner(name="Ada"), self.partner(name="Grace")
        sample = self.sample(first)
        self.env.flush_all()
        sample.write({"sent_headers": "Host: example.com", "status": 200, "delivered": True})
        with Form(sample) as form:
            form.record_id = second.id
            self.assertFalse(form.status)
            self.assertIn("Grace", form.request_body)
        self.assertFalse(sample.sent_headers)
        self.assertIn("Grace", sample.body)


@tagged("post_install", "-at_install")
class TestSampleRights(SampleCase):
    """A sample shows no more than its user may see in Odoo."""

    def test_only_system_administrators_make_samples(self):
        with self.assertRaises(AccessError):
            self.sample(user=self.webhook_user("manager"))

    def test_samples_of_others_stay_hidden(self):
        sample = self.sample(self.partner())
        other = new_test_user(self.env, "other", groups="base.group_system")
        with self.assertRaises(AccessError):
            sample.with_user(other).read(["body"])

    def test_records_of_other_companies(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        hidden = self.partner(name="Hidden", company_id=company.id)
        self.env["ir.rule"].search([("model_id.model", "=", "res.partner")]).active = True
        self.assertTrue(self.sample(hidden).problem)
        self.assertNotEqual(self.sample().record_id, hidden.id)
        self.admin.company_ids += company
        self.assertIn("Hidden", self.sample(hidden).body)
        chosen = {"allowed_company_ids": self.admin.company_id.ids}
        self.assertTrue(self.sample(hidden, context=chosen).problem)

    def test_records_that_a_rule_hides(self):
        self.env["ir.rule"].create(
            {
                "name": "no Ada",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": "[('name', '!=', 'Ada')]",
            }
        )
        hidden = self.partner(name="Ada")
        self.assertTrue(self.sample(hidden).problem)
        self.assertFalse(self.sample(hidden).request_body)

    def test_links_that_a_rule_hides(self):
        tags = self.env["res.partner.category"].create([{"name": "VIP"}, {"name": "Secret"}])
        partner = self.partner(category_id=tags.ids)
        self.env["ir.rule"].create(
            {
                "name": "no secret tags",
                "model_id": self.env["ir.model"]._get_id("res.partner.category"),
                "domain_force": "[('name', '!=', 'Secret')]",
            }
        )
        self.assertEqual(self.event_of(partner)["payload"]["category_id"], tags[0].ids)

    def test_fields_that_the_user_may_not_read(self):
        self.config.payload_field_ids = self.field("name", "email", "signup_type")
        partner = self.partner(name="Ada", email="ada@example.com")
        field = self.env["res.partner"]._fields["email"]
        self.config.trigger_field_ids = self.field("email")
        with patch.object(field, "groups", "base.group_no_one,base.group_portal"):
            hiding = new_test_user(self.env, "hiding", groups="base.group_system")
            hiding.group_ids -= self.env.ref("base.group_no_one")
            sample = self.sample(partner, user=hiding)
            self.assertEqual(sample.left_out, "email")
            event = json.loads(sample.body)
        self.assertNotIn("ada@example.com", sample.body)
        self.assertEqual(event["payload"]["name"], "Ada")

    def test_values_of_a_company_of_others(self):
        """A record without a company is sent as the main company sees it."""
        company = self.env["res.company"].create({"name": "Elsewhere"})
        partner = self.partner(name="Ada", company_id=False)
        partner.with_company(self.env.ref("base.main_company")).barcode = "0123"
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="base.group_system",
            company_id=company.id,
            company_ids=company.ids,
        )
        self.assertIn("0123", self.sample(partner).body)
        sample = self.sample(partner, user=stranger)
        self.assertIn("barcode", sample.left_out)
        self.assertNotIn("0123", sample.body)

    def test_models_that_the_user_may_not_follow(self):
        self.admin.webhook_scope = "some"
        self.assertFalse(self.sample().config_ids)
        self.assertTrue(self.sample(self.partner(), config_id=self.config.id).problem)


@tagged("post_install", "-at_install")
class TestSend(SampleCase):
    """The endpoint gets what was shown."""

    def sink(self, *answers, **values):
        sink = Sink(*answers)
        self.addCleanup(sink.close)
        self.subscriber.write({"url": sink.url, "allow_private_network": True, **values})
        return sink

    def send(self, sample):
        """Press the button, and check that no transaction is open while the endpoint answers."""
        cr, before = self.env.cr, len(self.requests)
        execute, requests = cr.execute, []

        def noting(*args, **options):
            requests.append(len(self.requests))
            return execute(*args, **options)

        self.env.flush_all()
        # a test must not commit
        with patch.object(cr, "execute", noting), patch.object(cr, "commit", requests.clear):
            action = sample.action_send()
            self.env.flush_all()
        self.assertEqual(set(requests), {before + 1})  # of each statement after the commit
        self.assertEqual(action["res_id"], sample.id)

    def test_the_endpoint_gets_what_was_shown(self):
        sink = self.sink((202, {}, b'{"ok": true}'), auth_type="bearer", auth_token="top-secret")
        self.requests = sink.requests
        sample = self.sample(self.partner(name="Ada"))
        shown, body = sample.request_headers, sample.body
        self.assertNotIn("top-secret", shown)
        self.assertFalse(sink.requests)
        self.send(sample)
        ((received, sent),) = sink.requests
        self.assertEqual(sent.decode(), body)
        self.assertEqual(json.loads(sample.request_body), json.loads(sent))
        self.assertEqual(sample.request_size, len(sent))
        self.assertEqual(received["Authorization"], "Bearer top-secret")
        self.assertIn(f"webhook-signature: {received['webhook-signature']}", sample.request_headers)
        self.assertIn(f"webhook-id: {received['webhook-id']}", shown)
        self.assertNotIn("top-secret", sample.request_headers)
        self.assertNotIn("top-secret", sample.request_curl)
        self.assertEqual((sample.delivered, sample.status), (True, 202))
        self.assertEqual(sample.response, '{"ok": true}')

    def test_a_refusal_is_shown(self):
        sink = self.sink((422, {}, b"no such field: top-secret"), auth_token="top-secret")
        self.requests = sink.requests
        sample = self.sample(self.partner())
        self.send(sample)
        self.assertEqual((sample.delivered, sample.status), (False, 422))
        self.assertEqual(sample.error, "HTTP 422: the endpoint cannot accept the message.")
        self.assertEqual(sample.response, "no such field: ***")

    def test_a_second_try_is_no_repetition(self):
        sink = self.sink()
        self.requests = sink.requests
        sample = self.sample(self.partner())
        self.send(sample)
        self.send(sample)
        self.assertEqual(len({received["webhook-id"] for received, _body in sink.requests}), 2)

    def test_the_health_of_the_endpoint_is_not_touched(self):
        sink = self.sink(503)
        self.requests = sink.requests
        self.send(self.sample(self.partner()))
        self.assertFalse(self.subscriber.consecutive_failures)
        self.assertFalse(self.subscriber.paused_until)


@tagged("post_install", "-at_install")
class TestRequestOfDelivery(SampleCase):
    """A delivery shows its request."""

    def delivery(self, partner, **values):
        event = self.events(partner)[-1]
        return self.env["webhook.delivery"].create(
            {
                "event_id": event.id,
                "subscriber_id": self.subscriber.id,
                "model": event.model,
                "record_id": event.record_id,
                "next_attempt_at": event.timestamp,
                **values,
            }
        )

    def test_managers_see_it_without_secrets(self):
        self.subscriber.write({"auth_type": "basic", "auth_token": "ada:top-secret"})
        delivery = self.delivery(self.env["res.partner"].create({"name": "Ada"}))
        manager = self.webhook_user("manager")
        action = delivery.with_user(manager).action_show_request()
        self.assertEqual(action["res_id"], delivery.id)
        shown = delivery.with_user(manager)
        self.assertEqual(json.loads(shown.request_body)["payload"]["name"], "Ada")
        self.assertIn("Authorization: Basic ***", shown.request_headers)
        self.assertIn("webhook-id: ", shown.request_headers)
        self.assertEqual(shown.request_url, self.subscriber.url)
        for text in (shown.request_headers, shown.request_curl):
            for secret in self.subscriber._endpoint().secrets:
                self.assertNotIn(secret, text)

    def test_a_replay_says_so(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        delivery = self.delivery(partner, replayed=True)
        self.assertIs(json.loads(delivery.request_body)["replayed"], True)

    def test_companies_that_the_user_may_not_see(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        partner = self.env["res.partner"].create({"name": "Ada", "company_id": company.id})
        delivery = self.delivery(partner).with_user(self.webhook_user("manager"))
        with self.assertRaises(AccessError):
            delivery.action_show_request()
        with self.assertRaises(AccessError):
            delivery.read(["request_body"])


@tagged("post_install", "-at_install")
class TestShownAndSent(DeliveryCase):
    """What is shown of a delivery is what is sent."""

    def test_body_and_id_are_the_ones_that_are_sent(self):
        sink, _subscriber = self.sink(batch_size=1)
        (partner,) = self.partners(1)
        self.env.cr.flush()
        delivery = self.delivery_of(partner)
        (first,) = self.sent(sink, delivery)
        delivery.action_retry()
        _first, again = self.sent(sink, delivery)
        self.assertNotIn(b"replayed", first)
        self.assertIn(b"replayed", again)

    def sent(self, sink, delivery):
        """Deliver, compare the last request with the one that was shown, and return all bodies."""
        _subscriber, message_id, body = delivery._request()
        self.deliver()
        received, sent = sink.requests[-1]
        self.assertEqual((received["webhook-id"], sent), (message_id, body))
        return [body for _headers, body in sink.requests]
