import json

from odoo.tests import TransactionCase


class WebhookCase(TransactionCase):
    """Tracks res.partner and gives access to the events of the running transaction."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = cls.configure("res.partner")
        cls.env["update.webhook"].search([]).unlink()

    @classmethod
    def configure(cls, model_name, **values):
        model = cls.env["ir.model"]._get(model_name)
        return cls.env["webhook.config"].create({"model_id": model.id, **values})

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
        """Begin a new transaction as far as capturing is concerned."""
        self.env.cr.flush()
        self.env["update.webhook"].search([]).unlink()
        self.next_transaction()

    def next_transaction(self):
        """What is in the database now is what it was when the transaction began."""
        self.env.cr.flush()
        self.env.cr.postcommit.data.pop("auto_webhook_odoo.changes", None)

    @staticmethod
    def payload(event):
        return json.loads(event.payload)
