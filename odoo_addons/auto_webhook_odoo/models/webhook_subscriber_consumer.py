from odoo import api, fields, models
from odoo.exceptions import ValidationError

#: The end of the URL of a BridgeCore receiver's endpoint (docs/protocol.md).
_RECEIVER_PATH = "/api/v1/webhooks/receive"


class WebhookSubscriber(models.Model):
    """Who confirms the events that a subscriber gets.

    The endpoint itself does, by accepting them, or the user of the receiver behind it, or nobody.
    See ``webhook.consumer``.
    """

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    confirm_on_delivery = fields.Boolean(
        string="Confirm on Delivery",
        help="Count an event as confirmed by this endpoint as soon as the endpoint accepts it. For "
        "endpoints that cannot call back to confirm it. Other receivers get the event all the "
        "same.",
    )
    receiver_user_id = fields.Many2one(
        "res.users",
        string="Receiver's User",
        compute="_compute_receiver_user_id",
        store=True,
        precompute=True,
        readonly=False,
        copy=False,
        domain=lambda self: [
            ("all_group_ids", "in", self.env.ref("auto_webhook_odoo.group_webhook_receiver").ids),
            ("webhook_follow_rules", "=", False),
        ],
        help="The user with whose key the receiver behind this endpoint confirms events. Only "
        "events that this user may see are pushed to the endpoint, and none that the user has "
        "confirmed. Leave it empty for an endpoint that does not confirm events.",
    )
    lacks_receiver = fields.Boolean(
        compute="_compute_lacks_receiver",
        help="A BridgeCore receiver is behind the endpoint, and Odoo does not know which user it "
        "confirms events with.",
    )
    left_out = fields.Text(
        string="Not Sent",
        compute="_compute_left_out",
        help="What the endpoint does not get, because the receiver's user may not see it.",
    )

    @api.depends("url", "confirm_on_delivery")
    def _compute_receiver_user_id(self):
        """Guess whose endpoint a new one is. Drop the user of one that is moved elsewhere.

        A wrong user would hide events from the endpoint; no user never does.
        """
        for subscriber in self:
            user = subscriber.receiver_user_id
            is_receiver = (subscriber.url or "").endswith(_RECEIVER_PATH)
            if subscriber.confirm_on_delivery or not is_receiver:
                user = False
            elif not subscriber._origin:
                user = user or self._only_receiver()
            subscriber.receiver_user_id = user

    @api.model
    def _only_receiver(self):
        """Return the internal user in the group Webhook receiver, if there is exactly one.

        Webhook managers, who are in the group because theirs implies it, do not count.
        """
        group = self.env.ref("auto_webhook_odoo.group_webhook_receiver").sudo()
        users = group.user_ids.filtered(lambda user: user.active and not user.share)
        if len(users) != 1 or users._webhook_follows_rules():
            return users.browse()
        return users

    @api.constrains("receiver_user_id")
    def _check_receiver_user(self):
        """Refuse a user who follows record rules.

        More would be pushed than the user may see: record rules depend on the present state of many
        records, and a push goes out right after the commit.
        """
        for subscriber in self:
            user = subscriber.receiver_user_id
            if user._webhook_follows_rules():
                raise ValidationError(
                    self.env._(
                        "%(user)s follows record rules, and what is pushed to %(subscriber)s is "
                        "not reduced by them. Switch off Follow Record Rules in the form of the "
                        "user, or choose another receiver's user.",
                        user=user.name,
                        subscriber=subscriber.name,
                    )
                )

    @api.constrains("receiver_user_id", "confirm_on_delivery")
    def _check_one_confirms(self):
        if self.filtered(lambda s: s.confirm_on_delivery and s.receiver_user_id):
            raise ValidationError(
                self.env._(
                    "Either the endpoint confirms events by accepting them, or the receiver's user "
                    "does. Choose Confirm on Delivery or a Receiver's User."
                )
            )

    @api.depends("url", "receiver_user_id", "confirm_on_delivery")
    def _compute_lacks_receiver(self):
        for subscriber in self:
            is_receiver = (subscriber.url or "").endswith(_RECEIVER_PATH)
            known = subscriber.receiver_user_id or subscriber.confirm_on_delivery
            subscriber.lacks_receiver = is_receiver and not known

    @api.depends("receiver_user_id")
    def _compute_left_out(self):
        consumers = self.env["webhook.consumer"]
        for subscriber in self:
            user = subscriber.receiver_user_id
            subscriber.left_out = consumers._left_out(user) if user else False

    @api.model_create_multi
    def create(self, vals_list):
        subscribers = super().create(vals_list)
        self.env["webhook.consumer"]._add_subscribers(subscribers)
        for subscriber in subscribers:
            subscriber._note_receiver()
        return subscribers

    def write(self, vals):
        """Save, and let those who confirm know."""
        users = {subscriber: subscriber.receiver_user_id for subscriber in self}
        result = super().write(vals)
        if vals.keys() & {"confirm_on_delivery", "active"}:
            self.env["webhook.consumer"]._add_subscribers(self)
            self.env["webhook.consumer"]._release()
        for subscriber, user in users.items():
            if subscriber.receiver_user_id != user:
                subscriber._note_receiver()
        return result

    def _note_receiver(self):
        """Make the receiver's user a consumer to whom nothing was delivered yet that waits here.

        Otherwise the deliveries of events that others have confirmed would be cancelled.
        """
        if not (user := self.receiver_user_id):
            return
        consumers = self.env["webhook.consumer"]
        self.flush_recordset()
        if late := consumers._add(consumers._missing(user)):
            self.env.cr.postcommit.add(late._skip)
        waiting = (
            self.env["webhook.delivery"]
            .sudo()
            .search([("subscriber_id", "=", self.id), ("state", "=", "pending")])
        )
        if event_ids := waiting.event_id._locked():
            self.env["webhook.confirmation"].sudo()._reopen(event_ids, consumers._of_user(user))
