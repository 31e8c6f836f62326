import json

from markupsafe import Markup

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..models import update_webhook_erasure
from .common import WebhookCase
from .delivery_case import DeliveryCase

ERASED = {"_metadata": {"erased": True}}


class ErasureCase(WebhookCase):
    def dialog(self, record, user=None):
        """Return the dialogue for a record, after its search."""
        self.env.cr.flush()
        wizard = self.env["webhook.erasure"].with_user(user or self.env.user)
        wizard = wizard.create(
            {"model_id": self.env["ir.model"]._get_id(record._name), "record_id": record.id}
        )
        wizard.action_search()
        return wizard

    def erase(self, record, user=None):
        self.dialog(record, user).action_erase()

    def found(self, wizard):
        """Return what the dialogue shows: ``{(model, reason): events}``."""
        return {(found.model, found.reason): found.events for found in wizard.finding_ids}


@tagged("post_install", "-at_install")
class TestErasureOfTheRecord(ErasureCase):
    def test_values_of_all_events_of_the_record_are_blanked(self):
        partner = self.env["res.partner"].create({"name": "Ada", "email": "ada@example.com"})
        other = self.env["res.partner"].create({"name": "Grace"})
        self.next_transaction()
        partner.email = "lovelace@example.com"
        before = self.events(partner)
        self.erase(partner)
        events = self.env["update.webhook"].search([("record_id", "=", partner.id)], order="id")
        for event in events:
            self.assertEqual(json.loads(event.payload), ERASED)
            self.assertFalse(event.old_values)
        self.assertEqual(len(events), len(before) + 1)
        self.assertEqual(self.payload(self.events(other))["name"], "Grace")

    def test_receivers_are_told_by_an_event(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner).is_processed = True
        self.erase(partner)
        told = self.env["update.webhook"].search(
            [("record_id", "=", partner.id), ("is_processed", "=", False)]
        )
        self.assertEqual(told.event, "write")
        self.assertEqual(self.payload(told), ERASED)

    def test_every_company_that_got_the_values_is_told(self):
        first, second = self.env["res.company"].create([{"name": "Here"}, {"name": "There"}])
        partner = self.env["res.partner"].create({"name": "Ada", "company_id": first.id})
        self.next_transaction()
        partner.company_id = second
        self.events(partner).is_processed = True
        self.erase(partner)
        told = self.events(partner).filtered(lambda event: not event.is_processed)
        self.assertEqual((len(told), told.company_id), (1, first.browse()))
        self.assertEqual(sorted(told.company_ids), (first | second).ids)

    def test_the_event_of_an_instant_model_is_pushed(self):
        self.config.write({"priority": "high", "instant_send": True})
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "Sink", "url": "https://example.com"}
        )
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner)
        self.erase(partner)
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        self.assertIn("write", deliveries.event_id.mapped("event"))

    def test_an_endpoint_that_got_events_earlier_is_told_too(self):
        self.config.write({"priority": "high", "instant_send": True})
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "Sink", "url": "https://example.com"}
        )
        partner = self.env["res.partner"].create({"name": "Ada"})
        self.events(partner)
        self.config.instant_send = False
        self.env["webhook.subscriber"].create({"name": "Other", "url": "https://example.org"})
        self.erase(partner)
        told = self.events(partner)[-1]
        self.assertEqual(told.delivery_ids.subscriber_id, subscriber)

    def test_failures_of_consumers_are_erased(self):
        receivers = [self.webhook_user("receiver", login) for login in ("one", "two")]
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        for user in receivers:
            self.confirm(failed={event.id: "No customer named 'Ada'"}, user=user)
        given_up = self.env["webhook.confirmation"].search([("event_id", "=", event.id)])
        self.assertIn("Ada", given_up[1].failure)
        self.erase(partner)
        self.env.invalidate_all()
        for failure in (event.failure, *given_up.mapped("failure")):
            self.assertIn("Erased", failure)
        self.assertTrue(event.failed_at)

    def test_a_record_without_events_is_refused(self):
        with self.assertRaisesRegex(UserError, "No event"):
            self.erase(self.env["res.partner.category"].create({"name": "VIP"}))

    def test_only_system_administrators_erase(self):
        partner = self.env["res.partner"].create({"name": "Ada"})
        event = self.events(partner)
        wizard = self.dialog(partner)
        manager = self.webhook_user("manager")
        with self.assertRaises(AccessError):
            event.with_user(manager).action_erase()
        for method in ("action_search", "action_erase", "action_erase_everywhere"):
            with self.assertRaises(AccessError):
                getattr(wizard.with_user(manager), method)()

    def test_the_texts_that_were_looked_for_are_not_kept(self):
        partner = self.env["res.partner"].create({"name": "Ada Lovelace"})
        self.events(partner)
        wizard = self.dialog(partner)
        self.assertTrue(wizard.text_ids)
        wizard.action_erase()
        self.assertFalse(wizard.text_ids)
        self.assertFalse(wizard.finding_ids)


@tagged("post_install", "-at_install")
class TestErasureInOtherEvents(ErasureCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.configure("res.partner.bank")
        cls.configure("res.users")
        cls.erika = cls.env["res.partner"].create(
            {"name": "Erika Muster", "email": "Erika@Muster.example", "phone": "+49 30 1234567"}
        )
        cls.bank = cls.env["res.bank"].create({"name": "Bank of Muster"})
        cls.account = cls.env["res.partner.bank"].create(
            {"acc_number": "DE42", "partner_id": cls.erika.id, "bank_id": cls.bank.id}
        )
        cls.neighbour = cls.env["res.partner"].create(
            {"name": "Max", "comment": "Lives next to ERIKA MUSTER.", "city": "Berlin"}
        )
        cls.env.cr.flush()

    def test_the_texts_of_the_record_and_of_its_events_are_proposed(self):
        self.next_transaction()
        self.erika.name = "Erika Beispiel"
        texts = self.dialog(self.erika).text_ids.mapped("text")
        self.assertLessEqual(
            {"Erika Beispiel", "Erika Muster", "Erika@Muster.example", "+49 30 1234567"}, set(texts)
        )

    def test_a_short_name_is_not_proposed(self):
        self.assertNotIn("Max", self.dialog(self.neighbour).text_ids.mapped("text"))

    def test_the_dialogue_says_which_events_name_the_record(self):
        self.assertEqual(
            self.found(self.dialog(self.erika)),
            {
                ("Bank Accounts", "Points at it: Account Holder"): 1,
                ("Bank Accounts", "Holds a text: “Erika Muster” (Account Holder Name)"): 1,
                ("Contact", "Holds a text: “ERIKA MUSTER” (Notes)"): 1,
            },
        )
        self.assertFalse(self.events(self.account).filtered(lambda e: "erased" in e.payload))

    def test_only_what_names_the_record_is_blanked(self):
        self.dialog(self.erika).action_erase_everywhere()
        account = self.payload(self.events(self.account)[0])
        self.assertEqual(account["partner_id"], {"id": self.erika.id, "name": None})
        self.assertEqual(account["bank_id"], {"id": self.bank.id, "name": "Bank of Muster"})
        self.assertEqual(account["acc_number"], "DE42")
        neighbour = self.payload(self.events(self.neighbour)[0])
        self.assertIsNone(neighbour["comment"])
        self.assertEqual(neighbour["city"], "Berlin")
        self.assertEqual(neighbour["_metadata"], {"erased_fields": ["comment"]})
        self.assertEqual(self.payload(self.events(self.erika)[0]), ERASED)

    def test_old_values_are_blanked(self):
        self.config.include_old_values = True
        self.next_transaction()
        self.neighbour.write({"comment": "A quiet man.", "city": "Bonn"})
        changed = self.events(self.neighbour)[-1]
        self.dialog(self.erika).action_erase_everywhere()
        self.assertEqual(json.loads(changed.old_values), {"comment": None, "city": "Berlin"})
        self.assertIn("A quiet man.", self.payload(changed)["comment"])
        self.assertEqual(self.payload(changed)["_metadata"], {"erased_fields": ["comment"]})

    def test_receivers_are_told_which_fields_named_it(self):
        self.events().is_processed = True
        self.dialog(self.erika).action_erase_everywhere()
        told = self.events().filtered(lambda event: not event.is_processed)
        by_record = {(event.model, event.record_id): self.payload(event) for event in told}
        self.assertEqual(len(told), len(by_record))
        self.assertEqual(
            by_record["res.partner", self.neighbour.id],
            {"_metadata": {"erased_fields": ["comment"]}},
        )
        fields = by_record["res.partner.bank", self.account.id]["_metadata"]["erased_fields"]
        self.assertIn("partner_id", fields)
        self.assertNotIn("bank_id", fields)
        self.assertEqual(by_record["res.partner", self.erika.id], ERASED)
        self.assertEqual({event.event for event in told}, {"write"})

    def test_nothing_names_it_afterwards(self):
        self.dialog(self.erika).action_erase_everywhere()
        self.assertFalse(
            self.env["update.webhook"].search_count([("payload", "ilike", "erika")], limit=1)
        )
        wizard = self.dialog(self.erika)
        self.assertFalse(wizard.is_named)
        count = len(self.events())
        wizard.action_erase_everywhere()
        self.assertEqual(len(self.events()), count + 1)  # the one for its own record

    def test_an_id_means_the_record_only_in_fields_of_its_model(self):
        bank = self.env["res.bank"].search([("id", "=", self.erika.id)])
        if not bank:
            self.env.cr.execute(
                "INSERT INTO res_bank (id, name, active) VALUES (%s, 'Sparkasse', TRUE)",
                [self.erika.id],
            )
        account = self.env["res.partner.bank"].create(
            {
                "acc_number": "DE43",
                "partner_id": self.neighbour.id,
                "bank_id": self.erika.id,
            }
        )
        event = self.events(account)
        before = event.payload
        self.dialog(self.erika).action_erase_everywhere()
        self.assertEqual(event.payload, before)

    def test_a_list_that_holds_the_id_is_shown_and_left(self):
        tag = self.env["res.partner.category"].create({"name": "Tag"})
        self.neighbour.category_id = tag
        self.events()
        wizard = self.dialog(tag)
        self.assertEqual(self.found(wizard), {("Contact", "Lists its ID, which stays: Tags"): 1})
        self.assertFalse(wizard.is_named)

    def test_texts_may_be_added_and_removed(self):
        wizard = self.dialog(self.erika)
        wizard.text_ids.unlink()
        wizard.text_ids = [(0, 0, {"text": "Lives"})]
        wizard.action_search()
        self.assertEqual(
            self.found(wizard),
            {
                ("Bank Accounts", "Points at it: Account Holder"): 1,
                ("Contact", "Holds a text: “Lives” (Notes)"): 1,
            },
        )

    def test_a_text_is_no_part_of_a_word_and_no_pattern(self):
        wizard = self.dialog(self.erika)
        self.neighbour.write({"comment": "Muster", "city": "a.b*c(d", "street": '"Quoted" \\ x'})
        others = self.env["res.partner"].create({"name": "axbbcxd", "city": "Erikas Musterung"})
        self.events()
        wizard.text_ids.unlink()
        wizard.text_ids = [
            (0, 0, {"text": text}) for text in ("a.b*c(d", "Erika", '"Quoted" \\', "100%")
        ]
        wizard.action_erase_everywhere()
        values = self.payload(self.events(self.neighbour)[-2])
        self.assertIsNone(values["city"])
        self.assertIsNone(values["street"])
        self.assertEqual(self.payload(self.events(others))["city"], "Erikas Musterung")

    def test_texts_that_html_and_json_escape_are_found(self):
        wizard = self.dialog(self.erika)
        self.neighbour.comment = Markup("<p>Muster &amp; Töchter</p>")
        self.events()
        wizard.text_ids.unlink()
        wizard.text_ids = [(0, 0, {"text": "Muster & Töchter"})]
        wizard.action_erase_everywhere()
        self.assertIsNone(self.payload(self.events(self.neighbour)[0])["comment"])

    def test_events_of_other_companies_are_found(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        partner = self.env["res.partner"].create(
            {"name": "Jo", "comment": "Erika Muster", "company_id": company.id}
        )
        self.events()
        self.dialog(self.erika).action_erase_everywhere()
        self.assertIsNone(self.payload(self.events(partner)[0])["comment"])
        self.assertEqual(self.events(partner)[-1].company_id, company)

    def test_a_record_that_is_not_recorded_can_be_erased_in_other_events(self):
        self.env["update.webhook"].search(
            [("model", "=", "res.partner"), ("record_id", "=", self.erika.id)]
        ).unlink()
        self.dialog(self.erika).action_erase_everywhere()
        account = self.payload(self.events(self.account)[0])
        self.assertIsNone(account["partner_id"]["name"])
        self.assertFalse(self.events(self.erika))

    def test_a_search_that_finds_too_much_says_so(self):
        self.patch(update_webhook_erasure, "MOST_FOUND", 1)
        wizard = self.dialog(self.erika)
        self.assertTrue(wizard.is_cut)
        self.assertEqual(len({model for model, _reason in self.found(wizard)}), 1)
        wizard.action_erase_everywhere()
        wizard = self.dialog(self.erika)
        self.assertTrue(wizard.is_named)  # the rest

    def test_failures_of_consumers_that_name_the_record_are_erased(self):
        """Also those that a later failure of another consumer hides."""
        one, two = (self.webhook_user("receiver", login) for login in ("one", "two"))
        partner = self.env["res.partner"].create({"name": "Max"})
        event = self.events(partner)
        self.confirm(failed={event.id: "Ask Erika Muster"}, user=one)
        self.confirm(failed={event.id: "No database"}, user=two)
        given_up = self.env["webhook.confirmation"].search([("event_id", "=", event.id)])
        wizard = self.dialog(self.erika)
        reason = "A receiver's failure holds a text: “Erika Muster”"
        self.assertEqual(self.found(wizard)["Contact", reason], 1)
        wizard.action_erase_everywhere()
        self.env.invalidate_all()
        self.assertFalse([text for text in given_up.mapped("failure") if "Muster" in text])
        self.assertEqual(self.payload(event)["name"], "Max")
        told = self.events(partner)[-1]  # receivers may keep the traceback
        self.assertEqual(self.payload(told), {"_metadata": {"erased_fields": []}})

    def test_failures_of_background_jobs_are_erased(self):
        snapshot = self.env["webhook.snapshot"].create({"config_id": self.config.id})
        snapshot.write({"state": "failed", "failure": "ValueError: Erika Muster has no address"})
        self.erase(self.erika)
        self.assertIn("Erased", snapshot.failure)

    def test_the_search_passes_no_text_in_a_statement_that_may_be_slow(self):
        wizard = self.dialog(self.erika)
        execute, slow = type(self.env.cr).execute, []

        def noting(cursor, query, *args, **kwargs):
            result = execute(cursor, query, *args, **kwargs)
            if b"FROM update_webhook" in cursor._obj.query:
                slow.append(cursor._obj.query.decode())
            return result

        self.patch(type(self.env.cr), "execute", noting)
        wizard.action_search()
        self.assertTrue(slow)
        self.assertFalse([query for query in slow if "Muster" in query])


@tagged("post_install", "-at_install")
class TestErasureOfAnswers(ErasureCase, DeliveryCase):
    ANSWER = b'{"error": "no such customer", "name": "Erika Muster"}'

    def refused(self):
        """Return a partner whose event was refused with an answer that quotes it."""
        _sink, subscriber = self.sink((422, {}, self.ANSWER))
        partner = self.env["res.partner"].create({"name": "Erika Muster"})
        self.deliver()
        return partner, subscriber

    def assert_erased(self, partners, subscriber):
        self.env.invalidate_all()
        deliveries = self.env["webhook.delivery"].search([("subscriber_id", "=", subscriber.id)])
        attempts = deliveries.attempt_ids
        self.assertTrue(attempts)
        texts = [*attempts.mapped("response"), *attempts.mapped("error")]
        texts += [*deliveries.mapped("last_error"), subscriber.last_error or ""]
        self.assertFalse([text for text in texts if text and "Muster" in text])

    def test_answers_and_errors_are_erased(self):
        partners, subscriber = self.refused()
        delivery = self.delivery_of(partners)
        self.assertIn("Muster", delivery.attempt_ids[0].response)
        self.assertIn("Muster", delivery.last_error)
        self.assertIn("Muster", subscriber.last_error)
        self.erase(partners)
        self.assert_erased(partners, subscriber)
        self.assertEqual(delivery.last_status, 422)
        self.assertIn("Erased", delivery.last_error)

    def test_the_answer_to_a_batch_is_erased_in_all_its_events(self):
        partner, _subscriber = self.refused()
        other, later = self.partners(2)
        self.env.cr.flush()
        attempt = self.delivery_of(partner).attempt_ids
        same, own = self.env["webhook.attempt"].create(
            [
                {
                    "delivery_id": self.delivery_of(record).id,
                    "attempted_at": attempt.attempted_at if record == other else "2020-01-01",
                    "status": 422,
                    "response": attempt.response,
                }
                for record in (other, later)
            ]
        )
        wizard = self.dialog(partner)
        wizard.text_ids.unlink()  # the answer is known by its message, not by what it holds
        wizard.action_erase()
        self.assertIn("Erased", same.response)
        self.assertIn("Muster", own.response)

    def test_the_answer_to_a_batch_that_was_divided_is_erased(self):
        subscriber = self.sink(judge=lambda events: 422 if len(events) > 1 else 200)[1]
        partner, _other = self.partners(2)
        self.deliver()
        subscriber.last_error = "HTTP 422: the endpoint refuses it. Main Street 1"
        self.erase(partner)
        self.assertIn("Erased", subscriber.last_error)

    def test_an_error_without_an_answer_is_kept(self):
        sink, _subscriber = self.sink()
        sink.close()
        partner = self.env["res.partner"].create({"name": "Erika Muster"})
        self.deliver()
        error = self.delivery_of(partner)[0].last_error
        self.assertTrue(error)
        self.erase(partner)
        self.assertEqual(self.delivery_of(partner)[0].last_error, error)

    def test_answers_to_other_events_that_quote_the_name_are_found(self):
        _sink, subscriber = self.sink((422, {}, b"Ask \\nErika Muster"))
        erika = self.env["res.partner"].create({"name": "Erika Muster"})
        self.env["webhook.delivery"].search([]).unlink()
        other = self.env["res.partner"].create({"name": "Max"})
        self.next_transaction()
        self.events(erika).delivery_ids.unlink()
        self.deliver()
        wizard = self.dialog(erika)
        self.assertEqual(
            self.found(wizard),
            {("Contact", "An endpoint's answer holds a text: “Erika Muster”"): 1},
        )
        events = len(self.events(other))
        wizard.action_erase_everywhere()
        self.assert_erased(other, subscriber)
        self.assertEqual(len(self.events(other)), events)  # receivers have nothing to erase

    def test_what_administrators_were_told_is_erased(self):
        partners, subscriber = self.refused()
        error = subscriber.last_error
        subscriber.activity_schedule(
            "auto_webhook_odoo.activity_endpoint_failing",
            note=Markup("<p>The last error:<br/>%s</p>") % error,
            user_id=self.env.user.id,
        )
        subscriber.message_post(body=f"Since today: {error}")
        subscriber.disabled_reason = f"The last error: {error}"
        kept = subscriber.message_post(body="Nothing of anybody")
        self.erase(partners)
        texts = [*subscriber.activity_ids.mapped("note"), *subscriber.message_ids.mapped("body")]
        self.assertFalse([text for text in texts if "Muster" in text])
        self.assertNotIn("Muster", subscriber.disabled_reason)
        self.assertIn("Nothing of anybody", kept.body)

    def test_the_answer_to_a_sample_is_erased(self):
        partners, subscriber = self.refused()
        sample = self.env["webhook.sample"].create(
            {"subscriber_id": subscriber.id, "record_id": partners.id}
        )
        sample.response = self.ANSWER.decode()
        self.erase(partners)
        self.assertFalse(sample.exists())
