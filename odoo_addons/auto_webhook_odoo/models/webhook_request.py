import dataclasses

from odoo import fields, models

from ..delivery.shown_request import curl, expected_headers, shown_body, shown_headers


class WebhookRequest(models.AbstractModel):
    """Shows a request to a subscriber's endpoint as it goes out, without secrets.

    A model that inherits this says in ``_request`` which request that is.
    """

    _name = "webhook.request"
    _description = "Webhook Request"

    request_url = fields.Char(string="Request URL", compute="_compute_request")
    request_headers = fields.Text(
        compute="_compute_request",
        help="All headers of the request. *** stands in the place of tokens and other secrets.",
    )
    request_body = fields.Text(
        compute="_compute_request",
        help="The body of the request, with line breaks and indents that are not sent.",
    )
    request_size = fields.Integer(
        compute="_compute_request", help="Bytes of the body as it is sent."
    )
    request_curl = fields.Text(
        string="Shell Command",
        compute="_compute_request",
        help="Sends the same request from a shell. It holds no secrets: first set the variables "
        "in it, such as $TOKEN.",
    )

    def _compute_request(self):
        for record in self:
            subscriber, message_id, body = record._request()
            if not body:
                record.request_url = record.request_headers = record.request_body = False
                record.request_size = record.request_curl = False
                continue
            # The URL is read with the rights of the user, secrets are not.
            endpoint = dataclasses.replace(subscriber._endpoint(), url=subscriber.url)
            named = expected_headers(endpoint, message_id, body)
            record.request_url = endpoint.url
            record.request_headers = shown_headers(endpoint, named, body, sent=False)
            record.request_body = shown_body(body)
            record.request_size = len(body)
            record.request_curl = curl(endpoint, named, body)

    def _request(self):
        """Return ``(subscriber, webhook-id, body)``; the body is empty if there is no request.

        The body has the bytes that are sent.
        """
        raise NotImplementedError
