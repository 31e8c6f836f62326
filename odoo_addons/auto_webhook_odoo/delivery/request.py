"""The headers of a request: who sends it, and how the endpoint knows."""

import base64
import time

from urllib3.util import SKIP_HEADER

from ..postgres.place import instance_of
from ..wire.signature import signature_headers


def headers(endpoint, message_id, body):
    """Return the headers of one attempt, which is made and signed now.

    :param bytes body: as it is sent
    """
    named = {
        "Content-Type": "application/json",
        "User-Agent": "auto_webhook_odoo",
        "Accept-Encoding": SKIP_HEADER,
    }
    if instance := instance_of(endpoint.place):
        named["X-Odoo-Instance"] = instance
    if endpoint.signing_secrets:
        named |= signature_headers(endpoint.signing_secrets, message_id, int(time.time()), body)
    else:
        named["webhook-id"] = message_id
    return named | secret_headers(endpoint)


def secret_headers(endpoint):
    """Return the headers of a request whose values must not be shown."""
    token = endpoint.auth_token
    named = {_spelt(name): value for name, value in endpoint.own_headers or ()}
    if endpoint.auth_type == "bearer":
        named["Authorization"] = f"Bearer {token}"
    elif endpoint.auth_type == "basic":
        named["Authorization"] = f"Basic {base64.b64encode(token.encode()).decode()}"
    elif endpoint.auth_type == "api_key":
        named[_spelt(endpoint.api_key_header)] = token
    return named


def _spelt(name):
    """Return the name of a header as ``headers`` spells it, so that no header is sent twice."""
    return "User-Agent" if name.lower() == "user-agent" else name
