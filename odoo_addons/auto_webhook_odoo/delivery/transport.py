"""One attempt over HTTP. Knows nothing of the ORM, so no transaction can be open meanwhile."""

import base64
import dataclasses
import time

import requests

from ..wire.signature import signature_headers

#: Statuses and errors that say something about the endpoint and nothing about the event.
ENDPOINT_STATUSES = frozenset({401, 403, 404, 410, 429, 503})

#: Seconds; an endpoint that asks for more is asked again all the same.
MAX_RETRY_AFTER = 24 * 3600

_RESPONSE_EXCERPT = 500  # characters of an error response that are kept


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where and how to deliver. A copy of a subscriber's settings, free of the ORM."""

    url: str
    auth_type: str
    auth_token: str
    api_key_header: str
    signing_secret: str
    timeout: float
    verify_ssl: bool


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    delivered: bool
    status: int | None = None
    error: str | None = None
    #: the endpoint is at fault, not the event: the attempt is not counted against the event
    endpoint_failed: bool = False
    #: seconds that the endpoint asked to be left alone
    retry_after: int | None = None


def post(session, endpoint, message_id, body):
    """POST ``body`` once and tell what came of it; never raises for what the network does.

    :param bytes body: JSON, sent exactly as it is
    """
    try:
        response = session.post(
            endpoint.url,
            data=body,
            headers=_headers(endpoint, message_id, body),
            timeout=endpoint.timeout,
            verify=endpoint.verify_ssl,
            allow_redirects=False,
        )
    except Exception as error:  # urllib3 and http.client have errors of their own for odd addresses
        return Outcome(False, error=_describe(error), endpoint_failed=True)
    if 200 <= response.status_code < 300:
        return Outcome(True, status=response.status_code)
    return Outcome(
        False,
        status=response.status_code,
        error=f"HTTP {response.status_code}: {_excerpt(response)}",
        endpoint_failed=response.status_code in ENDPOINT_STATUSES,
        retry_after=_retry_after(response),
    )


def _headers(endpoint, message_id, body):
    headers = {"Content-Type": "application/json", "User-Agent": "auto_webhook_odoo"}
    if endpoint.signing_secret:
        headers |= signature_headers(endpoint.signing_secret, message_id, int(time.time()), body)
    else:
        headers["webhook-id"] = message_id
    token = endpoint.auth_token
    if endpoint.auth_type == "bearer":
        headers["Authorization"] = f"Bearer {token}"
    elif endpoint.auth_type == "basic":
        headers["Authorization"] = f"Basic {base64.b64encode(token.encode()).decode()}"
    elif endpoint.auth_type == "api_key":
        headers[endpoint.api_key_header] = token
    return headers


def _describe(error):
    """Say in words why nothing came back, without what a URL or a header may hold."""
    if isinstance(error, requests.exceptions.SSLError):
        return "The certificate of the endpoint could not be verified."
    if isinstance(error, requests.ConnectTimeout):
        return "The endpoint did not accept the connection in time."
    if isinstance(error, requests.Timeout):
        return "The endpoint did not answer in time."
    if isinstance(error, requests.ConnectionError):
        return "The endpoint refused or dropped the connection, or its name is unknown."
    return f"The request could not be sent ({type(error).__name__})."


def _excerpt(response):
    return response.text[:_RESPONSE_EXCERPT].replace("\x00", "")  # PostgreSQL has no such text


def _retry_after(response):
    value = response.headers.get("Retry-After", "")
    if not (value.isascii() and value.isdecimal()):
        return None
    return min(int(value[:10]), MAX_RETRY_AFTER)
