import uuid

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..capture.sampling import render_sample
from ..models.update_webhook import EVENTS
from ..wire.event import unstored_event_query
from ..wire.message import sample, sample_message_id


class WebhookSample(models.TransientModel):
    """Shows the request that a change of a record would send to an endpoint, and sends it.

    The request says that it is a sample, and names no event and no record of this database. So it
    has no effect at a BridgeCore receiver, and should have none elsewhere (docs/protocol.md).

    The time of the event and the id of the message are chosen when the dialogue is opened, so that
    the request that is sent is the one that was shown. The values of the record are never stored.
    """

    _name = "webhook.sample"
    _inherit = "webhook.request"
    _description = "Webhook Sample"

    subscriber_id = fields.Many2one(
        "webhook.subscriber", required=True, readonly=True, ondelete="cascade"
    )
    config_ids = fields.Many2many("webhook.config", compute="_compute_config_ids")
    config_id = fields.Many2one(
        "webhook.config",
        string="Recorded Model",
        compute="_compute_config_id",
        compute_sudo=False,
        store=True,
        precompute=True,
        readonly=False,
        ondelete="cascade",
        domain="[('id', 'in', config_ids)]",
        help="Its configuration decides which fields are sent. You can choose among the models "
        "that you may read and whose changes this endpoint gets.",
    )
    model_name = fields.Char(related="config_id.model_name")
    record_id = fields.Many2oneReference(
        model_field="model_name",
        compute="_compute_record_id",
        compute_sudo=False,
        store=True,
        precompute=True,
        readonly=False,
        help="The values of this record are sent. The newest record is proposed.",
    )
    event = fields.Selection(
        EVENTS, default="write", required=True, help="What the sample says has happened to it."
    )
    timestamp = fields.Datetime(required=True, default=lambda self: fields.Datetime.now())
    message_id = fields.Char(required=True, default=lambda self: self._new_message_id())
    problem = fields.Char(compute="_compute_body", help="Why there is no sample.")
    left_out = fields.Char(
        compute="_compute_body",
        help="The sample leaves these fields out, because you may not read them. A real event has "
        "them.",
    )
    body = fields.Text(compute="_compute_body")
    sent_headers = fields.Text(compute="_compute_answer", store=True)
    delivered = fields.Boolean(compute="_compute_answer", store=True)
    status = fields.Integer(compute="_compute_answer", store=True)
    duration = fields.Integer(string="Duration (ms)", compute="_compute_answer", store=True)
    error = fields.Char(compute="_compute_answer", store=True)
    response = fields.Text(compute="_compute_answer", store=True)

    @api.depends("subscriber_id")
    def _compute_config_ids(self):
        for wizard in self:
            wizard.config_ids = wizard._possible_configs()

    def _possible_configs(self):
        return self.env["webhook.config"].search([("active", "=", True)]).filtered(self._may_use)

    def _may_use(self, config):
        """Return whether the user may read the model, and the endpoint gets its changes."""
        name, allowed = config.model_name, self.env.user._webhook_models()
        return (
            (not config.subscriber_ids or self.subscriber_id in config.subscriber_ids)
            and (allowed is None or name in allowed)
            and self.env["webhook.config"]._tracking(name) is not None
            and self.env[name].has_access("read")
        )

    @api.depends("subscriber_id")
    def _compute_config_id(self):
        for wizard in self:
            wizard.config_id = wizard._possible_configs()[:1]

    @api.depends("config_id")
    def _compute_record_id(self):
        for wizard in self:
            wizard.record_id = wizard._newest([]).id

    @api.depends("subscriber_id", "config_id", "record_id", "event", "timestamp")
    def _compute_body(self):
        for wizard in self:
            wizard.problem = wizard.left_out = wizard.body = False
            record = wizard._newest([("id", "=", wizard.record_id)])
            tracking = wizard._tracking()
            if not record:
                wizard.problem = self.env._(
                    "Choose a record. It must be one that is recorded, and that you may read."
                )
            elif wizard.event not in tracking.events:
                wizard.problem = self.env._(
                    "The configuration of this model records no such change. Choose another one."
                )
            else:
                group, left_out = render_sample(record, tracking, wizard.event)
                wizard.body = sample(self._source(), wizard._event_json(group))
                wizard.left_out = ", ".join(left_out)

    @api.depends("subscriber_id", "config_id", "record_id", "event")
    def _compute_answer(self):
        """Forget the answer to another sample."""
        names = ("sent_headers", "delivered", "status", "duration", "error", "response")
        self.update(dict.fromkeys(names, False))

    @api.depends("subscriber_id", "message_id", "body", "sent_headers")
    def _compute_request(self):
        result = super()._compute_request()
        for wizard in self.filtered("sent_headers"):
            wizard.request_headers = wizard.sent_headers
        return result

    def _request(self):
        return self.subscriber_id, self.message_id, (self.body or "").encode()

    def action_send(self):
        """Send the sample, and show the answer.

        :raises UserError: if there is no sample
        """
        self.ensure_one()
        if self.problem:
            raise UserError(self.problem)
        outcome, headers = self.subscriber_id._post(self.message_id, self.body.encode())
        self.write(
            {
                "message_id": self._new_message_id(),  # a further try is no repetition
                "sent_headers": headers,
                "delivered": outcome.delivered,
                "status": outcome.status,
                "duration": outcome.duration,
                # the error ends with the beginning of the response, which is shown below it
                "error": (outcome.error or "").removesuffix(outcome.response[:200]).strip(),
                "response": outcome.response,
            }
        )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "auto_webhook_odoo.webhook_sample_action"
        )
        return {**action, "res_id": self.id}

    def _tracking(self):
        """Return the ``Tracking`` of the chosen model, or None if the user may not choose it."""
        if self.config_id not in self._possible_configs():
            return None
        return self.env["webhook.config"]._tracking(self.model_name)

    def _newest(self, domain):
        """Return the newest record in a domain that is recorded, and that the user may read."""
        tracking = self._tracking()
        if tracking is None:
            return self.env["res.users"]  # no record of any model
        records = self.env[tracking.model].with_context(active_test=False)
        recorded = records.sudo()._search(list(tracking.filter_domain))
        return records.search([("id", "in", recorded), *domain], order="id DESC", limit=1)

    def _event_json(self, group):
        """Return the JSON text of the event, with the ids of no event and of no record."""
        common = ("model", "event", "changed_fields", "priority", "category")
        self.env.cr.execute(
            unstored_event_query(),
            {
                **{name: getattr(group, name) for name in common},
                "id": 0,
                "record_id": -1,
                "timestamp": self.timestamp,
                "payload": group.payloads[0],
                "old_values": group.old_values[0] or None,
                "user_id": self.env.uid,
                "company_id": group.company_ids[0],
            },
        )
        ((event,),) = self.env.cr.fetchall()
        return event

    @api.model
    def _source(self):
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid")

    @api.model
    def _new_message_id(self):
        return sample_message_id(self._source(), uuid.uuid4().hex)
