from odoo import SUPERUSER_ID, fields, models
from odoo.exceptions import UserError

from ..capture.events import EventGroup
from ..capture.ownership import is_told_by
from ..wire.jsontext import dumps

ERASED = dumps({"_metadata": {"erased": True}})


class WebhookErasure(models.TransientModel):
    """Erases the values in the events of one record (personal data), here and at the receivers."""

    _name = "webhook.erasure"
    _description = "Erase the Values of a Record's Events"

    model_id = fields.Many2one("ir.model", required=True, ondelete="cascade")
    record_id = fields.Integer(string="Record ID", required=True)

    def action_erase(self):
        """Erase payloads and old values, and record an event that tells receivers to do the same.

        All who have seen an event of the record see this one, too.

        :raises UserError: if no event of this record was ever recorded
        """
        self.ensure_one()
        self.check_access("write")
        events = self.env["update.webhook"].with_user(SUPERUSER_ID)
        mine = events.search(
            [("model", "=", self.model_id.model), ("record_id", "=", self.record_id)], order="id"
        )
        if not mine:
            raise UserError(self.env._("No event of this record has been recorded."))
        last, seen = mine[-1], mine._seen_by()
        # The company of a record that has left is nobody else's business.
        stays = not last.left_company_ids and last._seen_by() == seen
        company_id = last.company_id.id if stays else None
        mine.write({"payload": ERASED, "old_values": False})
        tracking = self.env["webhook.config"]._tracking(last.model)
        told = events._insert_events(
            [
                EventGroup(
                    model=last.model,
                    event="write",
                    changed_fields=None,
                    priority=last.priority,
                    category=last.category,
                    config_id=last.config_id.id or None,
                    record_ids=[last.record_id],
                    company_ids=[company_id or None],
                    payloads=[ERASED],
                    old_values=[""],
                    shown_to=[None if is_told_by(company_id, seen) else seen],
                    lost_by=[None],
                )
            ],
            [],
        )
        if tracking and tracking.instant_send and tracking.priority == "high":
            pushed = [(event_id, tracking.subscriber_ids) for event_id in told]
            self.env["webhook.delivery"]._schedule(pushed)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("The values in %s events have been erased.", len(mine)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
