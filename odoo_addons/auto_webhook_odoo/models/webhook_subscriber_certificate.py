from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..delivery.client_certificate import ClientCertificateError, check_client_certificate


class WebhookSubscriber(models.Model):
    """The client certificate of a subscriber, for an endpoint that asks for one (mutual TLS)."""

    _inherit = "webhook.subscriber"  # pylint: disable=consider-merging-classes-inherited

    client_certificate = fields.Text(
        groups="base.group_system",
        copy=False,
        help="Only for an endpoint that knows its callers by a certificate (mutual TLS), and only "
        "with https. PEM: your certificate, followed by the authorities between it and the one "
        "that the endpoint trusts.",
    )
    client_key = fields.Text(
        string="Private Key",
        groups="base.group_system",
        copy=False,
        help="The private key of the client certificate. PEM, without a password.",
    )

    @api.constrains("client_certificate", "client_key")
    def _check_client_certificate(self):
        for subscriber in self.sudo():
            certificate, key = subscriber.client_certificate, subscriber.client_key
            if not (certificate or key):
                continue
            if not (certificate and key):
                raise ValidationError(
                    self.env._("A client certificate and its private key belong together.")
                )
            try:
                check_client_certificate(certificate, key)
            except ClientCertificateError as error:
                raise ValidationError(
                    self.env._("The client certificate cannot be used: %s.", error)
                ) from None
