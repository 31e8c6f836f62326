from odoo import api, fields, models

from ..postgres.bigints import BigId, BigMany2one


class WebhookAttempt(models.Model):
    """One HTTP try of a delivery.

    Attempts are kept only for deliveries that do not succeed at once. For the others the delivery
    itself says everything, and a row for each would cost as much as the delivery.
    """

    _name = "webhook.attempt"
    _description = "Webhook Delivery Attempt"
    _webhook_recordable = False
    _log_access = False
    _order = "id DESC"
    _rec_name = "attempted_at"

    id = BigId()
    delivery_id = BigMany2one(
        "webhook.delivery", required=True, readonly=True, ondelete="cascade", index=True
    )
    attempted_at = fields.Datetime(required=True, readonly=True)
    status = fields.Integer(
        string="Answer",
        readonly=True,
        aggregator=None,
        help="HTTP status of the endpoint's answer; 200 to 299 mean that it accepted the message. "
        "Empty: no answer came.",
    )
    duration = fields.Integer(string="Duration (ms)", readonly=True, aggregator="avg")
    error = fields.Text(readonly=True)
    response = fields.Text(
        readonly=True, help="The first 2 kB of the endpoint's answer, without secrets."
    )

    @api.model
    def _log(self, deliveries, attempted):
        """Store attempts, unless they were a first one that succeeded.

        :param deliveries: as in ``Claim``
        :param dict attempted: ``Evidence.attempted``
        """
        now = fields.Datetime.now()
        attempts = []
        for delivery in deliveries:
            if not (standing := attempted.get(delivery.id)):
                continue
            outcome = standing.outcome
            if not outcome.delivered or delivery.failed_epoch:
                attempts.append(
                    {
                        "delivery_id": delivery.id,
                        "attempted_at": now,
                        "status": outcome.status or 0,
                        "duration": outcome.duration,
                        "error": outcome.error,
                        "response": outcome.response,
                    }
                )
        self.create(attempts)
