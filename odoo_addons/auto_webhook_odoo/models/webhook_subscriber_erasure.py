from odoo import api, models
from odoo.tools.mail import html_to_inner_content, plaintext2html


class WebhookSubscriber(models.Model):
    """Erases personal data in what administrators were told about endpoints.

    The last error of an endpoint, its activities and the messages about these may quote an answer.
    """

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    @api.model
    def _erase_quotes(self, errors, naming):
        """Erase every text about an endpoint that quotes an error, or that names a record.

        :param errors: errors of deliveries and attempts that were erased
        :param naming: ``capture.naming.Naming``
        """
        errors = {_flat(error) for error in errors}

        def is_personal(text):
            flat = _flat(text or "")
            return any(error in flat for error in errors) or naming.text_in_answers(flat)

        mark = self.env["update.webhook"]._erased_mark()
        failed = ["|", ("last_error", "!=", False), ("disabled_reason", "!=", False)]
        for subscriber in self.with_context(active_test=False).search(failed):
            for name in ("last_error", "disabled_reason"):
                if is_personal(subscriber[name]):
                    subscriber[name] = mark
        told = {
            "note": self.env["mail.activity"].search([("res_model", "=", self._name)]),
            "body": self.env["mail.message"].search([("model", "=", self._name)]),
        }
        for name, records in told.items():
            for record in records:
                if is_personal(html_to_inner_content(record[name])):
                    record[name] = plaintext2html(mark)


def _flat(text):
    """Return a text with single spaces, because HTML knows no others."""
    return " ".join(text.split())
