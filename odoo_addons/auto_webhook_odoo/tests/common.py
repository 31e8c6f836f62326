import importlib
import json

from odoo.tests import TransactionCase, new_test_user

from ..wire.event import EventName
from .fake_model_loader import FakeModelLoader


class WebhookCase(TransactionCase):
    """Records res.partner and nothing else, and reads the events of the running transaction."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["webhook.config"].search([]).unlink()
        cls.config = cls.configure("res.partner")
        cls.env["update.webhook"].search([]).unlink()

    @classmethod
    def configure(cls, model_name, **values):
        """Have a model recorded."""
        model = cls.env["ir.model"]._get(model_name)
        return cls.env["webhook.config"].create({"model_id": model.id, **values})

    @classmethod
    def webhook_user(cls, role, login=None, **values):
        """Create a user with the role of a webhook consumer, receiver or manager.

        The user sees all records, unless the values say otherwise.
        """
        group = f"auto_webhook_odoo.group_webhook_{role}"
        values = {"webhook_follow_rules": False, **values}
        user = new_test_user(cls.env, login or role, groups=group, **values)
        cls.note_members()  # as after the commit
        return user

    @classmethod
    def note_members(cls):
        """Make members of the group *Webhook receiver* consumers."""
        consumers = cls.env["webhook.consumer"]
        members = cls.env.ref("auto_webhook_odoo.group_webhook_receiver").user_ids
        consumers._add(consumers._missing(members))

    @classmethod
    def load_fake_models(cls, module, *names):
        """Load models that exist only in tests, until the tests of the class are over.

        :param module: ``fake_models``, ``fake_store_models`` or ``fake_company_models``, which is
            imported only now
        """
        loader = FakeModelLoader(cls.env, cls.__module__)
        loader.backup_registry()
        cls.addClassCleanup(loader.restore_registry)
        fakes = importlib.import_module(f".{module}", __package__)
        loader.update_registry([getattr(fakes, name) for name in names])
        cls.env.registry.clear_cache()
        cls.addClassCleanup(cls.env.registry.clear_cache)

    def confirm(self, confirmed=(), failed=(), user=None):
        """Confirm events as a receiver does; return how many are confirmed, and the unknown ids.

        :param confirmed: ids of events, or ``EventName``
        :param dict failed: ``{id or EventName: error}``
        :param user: by default the only user of the group *Webhook receiver*, which is created
        """
        if user is None:
            group = self.env.ref("auto_webhook_odoo.group_webhook_receiver")
            user = group.user_ids or self.webhook_user("receiver", "only receiver")

        def named(event):
            return EventName(event) if isinstance(event, int) else event

        self.env.flush_all()
        consumers = self.env["webhook.consumer"]
        consumers._add(consumers._missing(user))
        return (
            self.env["update.webhook"]
            .with_user(user)
            ._mark_processed(
                [named(event) for event in confirmed],
                {named(event): error for event, error in dict(failed).items()},
            )
        )

    def events(self, *records):
        """Save, and return the events of the given records (of all without), oldest first."""
        self.env.cr.flush()
        events = self.env["update.webhook"].search([], order="id")
        return events.filtered(
            lambda event: (
                not records
                or any(event.model == r._name and event.record_id == r.id for r in records)
            )
        )

    def forget(self):
        """Delete all events, and begin a new transaction as far as capturing is concerned."""
        self.env.cr.flush()
        self.env["update.webhook"].search([]).unlink()
        self.next_transaction()

    def next_transaction(self):
        """Begin a new transaction as far as capturing is concerned."""
        self.env.cr.flush()
        self.env.cr.postcommit.data.pop("auto_webhook_odoo.changes", None)

    @staticmethod
    def payload(event):
        return json.loads(event.payload)


class PartnerCase(WebhookCase):
    """Changes partners, without the queries of their chatter."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)

    def field(self, *names):
        fields = self.env["ir.model.fields"]
        return fields.browse([fields._get("res.partner", name).id for name in names])

    def partner(self, **values):
        """Return a partner of an earlier transaction."""
        partner = self.Partner.create({"name": "Ada", **values})
        self.forget()
        return partner

    def names_of_events(self, *records):
        return self.events(*records).mapped("event")


class FeedCase(WebhookCase):
    """Reads the feed with ``pull_events``."""

    def pull(self, last_event_id=0, limit=100, user=None, **filters):
        """Return a page of the feed, as the superuser or another user sees it."""
        self.env.cr.flush()
        with self.enter_registry_test_mode():
            events = self.env["update.webhook"].with_user(user or self.env.user)
            return events.pull_events(last_event_id, limit, **filters)

    def record(self, *names):
        """Create partners with these names, each in a transaction of its own."""
        for name in names:
            self.env["res.partner"].create({"name": name})
            self.next_transaction()

    def names(self, page):
        return [event["payload"]["name"] for event in page["events"]]
