from contextlib import closing

from odoo import fields

from odoo.addons.auto_webhook_odoo.delivery.blame import Evidence
from odoo.addons.auto_webhook_odoo.delivery.connections import open_connections
from odoo.addons.auto_webhook_odoo.delivery.database import Database
from odoo.addons.auto_webhook_odoo.delivery.dispatcher import deliver

from .common import WebhookCase
from .sink import Sink

#: The answer of an endpoint that wants no message now.
AWAY = (503, {"Retry-After": "0"}, b"")


class DeliveryCase(WebhookCase):
    """Pushes every change of a contact to real HTTP servers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config.write({"priority": "high", "instant_send": True})
        cls.env["webhook.subscriber"].search([]).active = False

    def sink(self, *answers, seconds_per_event=0, judge=None, **values):
        """Return a sink and a subscriber for it."""
        sink = Sink(*answers, seconds_per_event=seconds_per_event, judge=judge)
        self.addCleanup(sink.close)
        subscriber = self.env["webhook.subscriber"].create(
            {"name": "Sink", "url": sink.url, "allow_private_network": True, **values}
        )
        return sink, subscriber

    def partners(self, number):
        return self.env["res.partner"].create([{"name": f"P{index}"} for index in range(number)])

    def deliver(self):
        """Send what is due, as the lanes of the subscribers do after the commit."""
        self.env.cr.flush()
        with self.enter_registry_test_mode(), closing(Database(self.env.cr.dbname)) as database:
            for subscriber in self.env["webhook.subscriber"].search([]):
                deliver(database, subscriber.id, open_connections)
        self.env.invalidate_all()

    def make_due(self):
        """Let the time until the next attempt pass."""
        self.env["webhook.subscriber"].search([]).paused_until = False
        self.env["webhook.delivery"].search([]).next_attempt_at = fields.Datetime.now()

    def record(self, claim, *outcomes):
        """Record a claim, of whose deliveries so many were attempted, one by one."""
        evidence = Evidence(claim)
        for delivery, outcome in zip(claim.deliveries, outcomes, strict=False):
            evidence.note([delivery], outcome)
        return self.env["webhook.delivery"]._record(claim, evidence)

    def delivery_of(self, record):
        deliveries = self.env["webhook.delivery"].search([("record_id", "=", record.id)])
        return deliveries.sorted(lambda delivery: delivery.event_id.id)
