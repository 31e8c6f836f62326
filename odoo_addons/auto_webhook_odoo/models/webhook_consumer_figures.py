from odoo import api, fields, models
from odoo.tools import SQL


class WebhookConsumer(models.Model):
    """What the list of consumers shows: how far each is, and what it may see."""

    _inherit = "webhook.consumer"

    unconfirmed = fields.Integer(
        compute="_compute_figures",
        help="Events that the consumer still has to confirm. For a subscriber: pending deliveries.",
    )
    lag = fields.Integer(
        string="Lag (s)",
        compute="_compute_figures",
        help="Seconds since the oldest event that the consumer still has to confirm.",
    )
    given_up = fields.Integer(
        compute="_compute_figures",
        help="Events that the consumer has given up. For a subscriber: dead deliveries.",
    )
    last_confirmation = fields.Datetime(
        compute="_compute_last_confirmation",
        help="When the consumer confirmed an event last. For a subscriber: when it accepted one.",
    )
    sees = fields.Text(
        compute="_compute_sees", help="The companies and models whose events the consumer gets."
    )
    left_out = fields.Text(
        compute="_compute_sees",
        help="Companies, and recorded models, whose events the consumer does not get.",
    )

    def _compute_figures(self):
        users = self.sudo().filtered("user_id")
        figures = users._figures() if users else {}
        for consumer in self.sudo():
            found = figures.get(consumer.id) or consumer._delivery_figures()
            consumer.unconfirmed, consumer.lag, consumer.given_up = found

    def _figures(self):
        """Return ``{consumer id: (unconfirmed events, seconds, given up events)}`` of users.

        Only events that have a position are counted. So those that have none get theirs first, and
        a cursor of its own sees them.
        """
        self.env["webhook.feed.position"]._assign_pending()
        with self.env.registry.cursor() as cr:
            return {user.id: user._figures_now() for user in self.with_env(self.env(cr=cr))}

    def _figures_now(self):
        """Return the figures of one user, as this transaction sees them."""
        events = self.env["update.webhook"]
        seen = events._visible("webhook_tally", self.user_id)
        [(unconfirmed,)] = self.env.execute_query(
            SQL(
                "SELECT coalesce(sum(total) - sum(processed), 0)::bigint FROM webhook_tally"
                " WHERE %s AND (consumer_id IS NULL OR consumer_id = %s)",
                seen,
                self.id,
            )
        )
        given_up = self.env["webhook.confirmation"].search_count(
            [("consumer_id", "=", self.id), ("failed_at", "!=", False)]
        )
        return unconfirmed, events._oldest_pending_age(self) or 0, given_up

    def _delivery_figures(self):
        """Return the same figures of a subscriber."""
        own = [("subscriber_id", "=", self.subscriber_id.id)]
        deliveries = self.env["webhook.delivery"]
        pending = [*own, ("state", "=", "pending")]
        oldest = deliveries.search(pending, order="event_id", limit=1).event_id.timestamp
        lag = (fields.Datetime.now() - oldest).total_seconds() if oldest else 0
        dead = deliveries.search_count([*own, ("state", "=", "dead")])
        return deliveries.search_count(pending), int(lag), dead

    @api.depends("last_confirmed_at", "subscriber_id.last_success")
    def _compute_last_confirmation(self):
        for consumer in self.sudo():
            confirmed_at = consumer.last_confirmed_at or consumer.subscriber_id.last_success
            consumer.last_confirmation = confirmed_at

    @api.depends("user_id")
    def _compute_sees(self):
        for consumer in self:
            consumer.sees = consumer.left_out = False
            if user := consumer.user_id:
                consumer.sees = self._scope_text(
                    user.sudo().company_ids, self._models_seen_by(user)
                )
                consumer.left_out = self._left_out(user)

    @api.model
    def _models_seen_by(self, user):
        """Return the names of the recorded models whose events a user may see."""
        allowed = user._webhook_models()
        return [name for name in self._recorded() if allowed is None or name in allowed]

    @api.model
    def _recorded(self):
        """Return the names of the recorded models."""
        configs = self.env["webhook.config"].sudo()
        return [name for (name,) in configs._read_group([], ["model_name"])]

    @api.model
    def _left_out(self, user):
        """Return in words which companies and recorded models a user may not see, or False."""
        companies, names = self._hidden_from(user)
        return self._scope_text(companies, names) if companies or names else False

    @api.model
    def _hidden_from(self, user):
        """Return the companies, and the names of the recorded models, that a user may not see."""
        hidden = [("id", "not in", user.sudo().company_ids.ids)]
        companies = self.env["res.company"].sudo().search(hidden)
        return companies, sorted(set(self._recorded()) - set(self._models_seen_by(user)))

    @api.model
    def _scope_text(self, companies, names):
        models_seen = self.env["ir.model"].sudo().search([("model", "in", list(names))])
        return "\n".join(
            filter(
                None,
                (
                    companies and self.env._("Companies: %s", ", ".join(companies.mapped("name"))),
                    models_seen and self.env._("Models: %s", ", ".join(models_seen.mapped("name"))),
                ),
            )
        )

    @api.model
    def _wire(self, user):
        """Return what a receiver learns of itself in ``/api/webhooks/stats``, or None."""
        consumer = self._of_user(user)
        if not consumer:
            return None
        companies, names = self._hidden_from(user)
        allowed = user._webhook_models()
        return {
            "id": consumer.id,
            "name": consumer.display_name,
            "active": consumer.active,
            "companies": [_named(company) for company in user.sudo().company_ids],
            "models": allowed and sorted(allowed),
            "left_out": {
                "companies": [_named(company) for company in companies],
                "models": names,
            },
        }


def _named(company):
    return {"id": company.id, "name": company.name}
