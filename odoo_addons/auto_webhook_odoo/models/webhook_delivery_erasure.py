from odoo import api, models


class WebhookDelivery(models.Model):
    """Erases personal data in what endpoints answered.

    An endpoint may have answered with the message that it got. The beginning of its answer stands
    in the attempt and in the error of the delivery.
    """

    _inherit = "webhook.delivery"

    @api.model
    def _erase_answers(self, event_ids):
        """Erase all answers to these events, and the same answers to other events.

        The answer to a batch stands in the attempts of all its events.

        :return: the errors that were erased
        """
        self.flush_model()
        self.env["webhook.attempt"].flush_model()
        self.env.cr.execute(
            """
            SELECT attempt.id
              FROM webhook_attempt attempt
              JOIN webhook_delivery delivery ON delivery.id = attempt.delivery_id
             WHERE (delivery.subscriber_id, attempt.attempted_at, attempt.response) IN (
                    SELECT own_delivery.subscriber_id, own.attempted_at, own.response
                      FROM webhook_attempt own
                      JOIN webhook_delivery own_delivery ON own_delivery.id = own.delivery_id
                     WHERE own_delivery.event_id = ANY(%s) AND own.response <> '')
            """,
            [list(event_ids)],
        )
        attempts = self.env["webhook.attempt"].browse(i for (i,) in self.env.cr.fetchall())
        deliveries = self.search([("event_id", "in", event_ids)])
        # The answer to a batch that failed, before it was divided, stands here only.
        last_errors = deliveries.subscriber_id.mapped("last_error")
        answered = {error for error in last_errors if error and error.startswith("HTTP ")}
        return answered | self._erase_texts(deliveries.filtered("last_status"), attempts)

    @api.model
    def _quoting(self, event_ids, naming):
        """Return the deliveries of these events, and the attempts, that quote a text of a record.

        :param naming: ``capture.naming.Naming``
        :return: ``(deliveries, attempts, {event id: the text})``
        """
        found = {}

        def names(event, *answers):
            text = naming.text_in_answers(*answers)
            if text:
                found[event.id] = text
            return text

        all_ = self.search([("event_id", "in", event_ids)])
        deliveries = all_.filtered(lambda d: names(d.event_id, d.last_error))
        attempts = self.env["webhook.attempt"].search([("delivery_id", "in", all_.ids)])
        attempts = attempts.filtered(lambda a: names(a.delivery_id.event_id, a.error, a.response))
        return deliveries, attempts, found

    @api.model
    def _erase_texts(self, deliveries, attempts):
        """Erase the errors and answers in deliveries and attempts.

        :return: the errors that were erased
        """
        errors = {*attempts.mapped("error"), *deliveries.mapped("last_error")} - {False}
        same = attempts.delivery_id.filtered(lambda delivery: delivery.last_error in errors)
        mark = self.env["update.webhook"]._erased_mark()
        (deliveries | same).filtered("last_error").write({"last_error": mark})
        attempts.filtered("error").write({"error": mark})
        attempts.filtered("response").write({"response": mark})
        return errors
