"""One attempt over HTTP. Knows nothing of the ORM, so no transaction can be open meanwhile."""

import base64
import dataclasses
import time

import urllib3
from urllib3 import exceptions as errors

from ..wire.signature import signature_headers
from .connections import AddressRefusedError

#: Statuses that say something about the endpoint and nothing about the event.
ENDPOINT_STATUSES = frozenset({401, 403, 404, 410, 429, 503})

#: Seconds; an endpoint that asks for more is asked again all the same.
MAX_RETRY_AFTER = 24 * 3600

_CONNECT_TIMEOUT = 5  # seconds; an endpoint that is there accepts long before
_RESPONSE_EXCERPT = 2048  # bytes of a response that are kept
_MASK = "***"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where and how to deliver. A copy of a subscriber's settings, free of the ORM."""

    url: str
    auth_type: str
    auth_token: str
    api_key_header: str
    #: the newest first; while a key is being replaced both sign
    signing_secrets: tuple
    timeout: float
    verify_ssl: bool
    allow_private_network: bool

    @property
    def secrets(self):
        """Texts that must not be shown, whatever an endpoint answers."""
        encoded = base64.b64encode(self.auth_token.encode()).decode()
        return [text for text in (self.auth_token, encoded, *self.signing_secrets) if text]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    delivered: bool
    status: int | None = None
    #: in words, None if it was delivered
    error: str | None = None
    #: what the endpoint said, at most 2 kB, without secrets
    response: str = ""
    #: milliseconds
    duration: int = 0
    #: the endpoint is at fault, not the event: the attempt is not counted against the event
    endpoint_failed: bool = False
    #: seconds that the endpoint asked to be left alone
    retry_after: int | None = None


def post(connections, endpoint, message_id, body):
    """POST ``body`` once and tell what came of it; never raises for what the network does.

    :param connections: what ``connections.open_connections`` returns
    :param bytes body: JSON, sent exactly as it is
    """
    started = time.monotonic()
    try:
        response = connections.urlopen(
            "POST",
            endpoint.url,
            body=body,
            headers=_headers(endpoint, message_id, body),
            timeout=urllib3.Timeout(
                connect=min(_CONNECT_TIMEOUT, endpoint.timeout), read=endpoint.timeout
            ),
            retries=False,  # one attempt is one attempt; redirects are not followed
            preload_content=False,
        )
    except Exception as error:  # http.client and idna have errors of their own for odd answers
        return Outcome(
            False,
            error=_describe(error),
            duration=_milliseconds_since(started),
            endpoint_failed=True,
        )
    delivered = 200 <= response.status < 300
    text = _masked(_read_excerpt(response), endpoint.secrets)
    return Outcome(
        delivered,
        status=response.status,
        error=None if delivered else f"{_meaning(response.status)} {text[:200]}".strip(),
        response=text,
        duration=_milliseconds_since(started),
        endpoint_failed=response.status in ENDPOINT_STATUSES,
        retry_after=_retry_after(response),
    )


def _headers(endpoint, message_id, body):
    headers = {"Content-Type": "application/json", "User-Agent": "auto_webhook_odoo"}
    if endpoint.signing_secrets:
        headers |= signature_headers(endpoint.signing_secrets, message_id, int(time.time()), body)
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


def _read_excerpt(response):
    """Return the beginning of a response.

    A short one is then complete, and its connection can be used again; a longer one is cut off
    together with its connection.
    """
    try:
        excerpt = response.read(_RESPONSE_EXCERPT, decode_content=True)
        if len(excerpt) == _RESPONSE_EXCERPT:
            response.close()
        return excerpt
    except Exception:  # the status is known and is what counts
        response.close()
        return b""
    finally:
        response.release_conn()


def _describe(error):
    """Say in words why nothing came back, without what a URL or a header may hold."""
    for kinds, text in _FAILURES:
        if isinstance(error, kinds):
            return text or str(error)
    return f"The request could not be sent ({type(error).__name__})."


_FAILURES = (
    (AddressRefusedError, ""),  # says it itself
    (errors.SSLError, "The certificate of the endpoint could not be verified."),
    (errors.NameResolutionError, "The name of the endpoint is unknown."),
    (
        (errors.NewConnectionError, errors.ProtocolError),
        "The endpoint refused or dropped the connection.",
    ),
    (errors.ConnectTimeoutError, "The endpoint did not accept the connection in time."),
    ((errors.TimeoutError, TimeoutError), "The endpoint did not answer in time."),
)

_MEANINGS = {
    400: "the endpoint does not understand the message.",
    401: "the endpoint does not accept the credentials or the signature.",
    403: "the endpoint forbids it.",
    404: "there is no endpoint at this address.",
    410: "the endpoint wants no more messages.",
    413: "the message is too large for the endpoint.",
    422: "the endpoint cannot accept the message.",
    429: "the endpoint asks for a pause.",
    503: "the endpoint asks for a pause.",
}


def _meaning(status):
    """Say what a status means for a webhook."""
    if 300 <= status < 400:
        return f"HTTP {status}: the endpoint redirects, which is not followed. Use its new address."
    return f"HTTP {status}: {_MEANINGS.get(status, 'the endpoint failed.')}"


def _masked(excerpt, secrets):
    text = excerpt.decode(errors="replace").replace("\x00", "")  # PostgreSQL has no such text
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text


def _retry_after(response):
    value = response.headers.get("Retry-After", "")
    if not (value.isascii() and value.isdecimal()):
        return None
    return min(int(value[:10]), MAX_RETRY_AFTER)


def _milliseconds_since(started):
    return round(1000 * (time.monotonic() - started))
