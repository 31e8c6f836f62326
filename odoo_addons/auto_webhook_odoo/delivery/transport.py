"""One attempt over HTTP. The module knows no ORM, so no transaction can be open meanwhile."""

import dataclasses
import email.utils
import http.client
import math
import socket
import ssl
import time

from urllib3 import exceptions as errors
from urllib3.connection import CertificateError
from urllib3.util import parse_url

from ..wire.addresses import AddressRefusedError
from ..wire.masking import longest_form, masked
from ..wire.proxy import ProxySettingError, proxy_of
from .answers import EndlessAnswerError
from .connections import NotConnectedError
from .request import headers
from .tls import CertificatesError, failed_handshake
from .tunnel import ProxyFailedError

#: Seconds. If an endpoint asks for a longer pause, the pause is this long all the same.
MAX_RETRY_AFTER = 24 * 3600

_OVERRUN = 5  # seconds by which a busy machine may be late
_RESPONSE_EXCERPT = 2048  # bytes of a response that are kept


def longest_attempt(timeout):
    """Return the seconds after which an attempt has ended and has sent its last byte.

    Only a name server can make it last longer: Python cannot interrupt the system's resolver, which
    gives up as ``/etc/resolv.conf`` says. In that case nothing is sent.
    """
    return timeout + _OVERRUN


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of one attempt."""

    delivered: bool
    status: int | None = None
    #: in words; None if the endpoint accepted the message
    error: str | None = None
    #: the answer of the endpoint, at most 2 kB, without secrets
    response: str = ""
    #: milliseconds
    duration: int = 0
    #: seconds for which the endpoint asked to get no messages
    retry_after: int | None = None
    #: the endpoint accepted the connection, but did not read the message and answer it in time
    timed_out: bool = False
    #: no connection could be opened, so nothing of the message was sent
    unsent: bool = False

    @property
    def gone(self):
        """Whether the endpoint wants no more messages, for ever (RFC 9110, 15.5.11)."""
        return self.status == 410

    @property
    def too_much(self):
        """Whether a smaller message might get through."""
        return self.timed_out or self.status == 413


def post(connections, endpoint, message_id, body):
    """POST ``body`` once and return the ``Outcome``. Failures of the network raise no error.

    :param connections: the result of ``connections.open_connections``
    :param bytes body: JSON, sent exactly as it is
    """
    started = time.monotonic()
    try:
        response = connections.urlopen(
            "POST",
            endpoint.url,
            body=body,
            headers=headers(endpoint, message_id, body),
            timeout=endpoint.timeout,
        )
    except Exception as error:  # http.client and idna raise errors of their own for odd answers
        text = describe(error, endpoint)
        return Outcome(
            False,
            error=text,
            duration=_milliseconds_since(started),
            timed_out=text == _TIMED_OUT,
            unsent=any(isinstance(cause, NotConnectedError) for cause in _causes(error)),
        )
    delivered = 200 <= response.status < 300
    text = _read_excerpt(response, endpoint.secrets)
    meaning = "" if delivered else _meaning(response.status) + _through(endpoint)
    return Outcome(
        delivered,
        status=response.status,
        error=None if delivered else f"{meaning} {text[:200]}".strip(),
        response=text,
        duration=_milliseconds_since(started),
        retry_after=None if delivered else retry_after(response),
    )


def _read_excerpt(response, secrets):
    """Return the beginning of a response's body, without secrets."""
    excerpt = read_beginning(response, _RESPONSE_EXCERPT + longest_form(secrets))
    if excerpt is None:
        return "(The answer is compressed and not shown.)"
    return masked(excerpt, _RESPONSE_EXCERPT, secrets)


def read_beginning(response, length):
    """Return the first bytes of a response's body, or None if the body is compressed.

    A short body is read completely, so its connection can be used again. A longer body is cut off
    together with its connection.
    """
    # Without the header urllib3 builds no decoders. A header can name thousands of them.
    encoding = response.headers.pop("Content-Encoding", "identity")
    try:
        beginning = response.read(length, decode_content=False)
    except Exception:  # the status is known, and it decides
        beginning = b""
    finally:
        if not response.closed:  # it is closed after its last byte
            response.close()
        response.release_conn()
    return beginning if encoding.strip().lower() == "identity" or not beginning else None


def describe(error, endpoint):
    """Return in words why there is no answer, without anything that a URL or a header may hold."""
    for kinds, text in _FAILURES:
        for cause in _causes(error):
            if isinstance(cause, kinds):
                return text if isinstance(text, str) else text(cause, endpoint)
    return f"The request could not be sent ({type(error).__name__})."


def _causes(error):
    """Yield an error and the errors that led to it."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


_TIMED_OUT = "The endpoint did not answer in time."
_DROPPED = "The endpoint dropped the connection."


def _own_text(error, _endpoint):
    return str(error)


def _setting(error, _endpoint):
    return f"Settings → Webhooks: {error}."


def _untrusted(error, endpoint):
    """Return why the endpoint's certificate is not trusted. The reason names hosts at most."""
    reason = getattr(error, "verify_message", str(error)).rstrip(".")
    text = f"The certificate of the endpoint could not be verified: {reason}."
    if proxy := _proxy(endpoint):
        text += (
            f" If the proxy {proxy} opens encrypted connections, add its authority to the file of "
            "trusted certificates that REQUESTS_CA_BUNDLE names in Odoo's environment."
        )
    return text


def _unknown_name(error, _endpoint):
    if error.errno == socket.EAI_AGAIN:
        return "No name server answers for the name of the endpoint."
    return "The name of the endpoint is unknown."


def _tls_failure(error, endpoint):
    return failed_handshake(error, endpoint.client_certificate)


#: What an error means: a text, or a function that returns the text for the error and the endpoint.
#: The error that urllib3 wraps decides, because urllib3's own errors differ between its versions.
_FAILURES = (
    ((AddressRefusedError, CertificatesError, ProxyFailedError), _own_text),
    (ProxySettingError, _setting),
    ((ssl.SSLCertVerificationError, CertificateError), _untrusted),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), _DROPPED),
    (ssl.SSLError, _tls_failure),
    (socket.gaierror, _unknown_name),
    (errors.ConnectTimeoutError, "The endpoint did not accept the connection in time."),
    ((errors.TimeoutError, TimeoutError), _TIMED_OUT),
    (EndlessAnswerError, "The endpoint sent informational answers (HTTP 1xx) and no final one."),
    (ConnectionRefusedError, "The endpoint refused the connection."),
    (ConnectionError, _DROPPED),  # one of them is an HTTPException, too
    (
        (http.client.HTTPException, errors.InvalidHeader),
        "The endpoint's answer is not HTTP/1.1, or breaks off.",
    ),
    ((errors.ProtocolError, OSError), _DROPPED),
)

_MEANINGS = {
    101: "the endpoint wants to speak another protocol.",
    400: "the endpoint does not understand the message.",
    401: "the endpoint does not accept the credentials or the signature.",
    403: "the endpoint does not allow this request.",
    404: "there is no endpoint at this address.",
    407: "the proxy asks for a user and a password, or does not accept them.",
    410: "the endpoint wants no more messages.",
    413: "the message is too large for the endpoint.",
    422: "the endpoint cannot accept the message.",
    429: "the endpoint gets too many messages.",
    503: "the endpoint is not available now.",
}


def _meaning(status):
    """Return in words what a status means for a webhook."""
    if 300 <= status < 400:
        return f"HTTP {status}: the endpoint redirects to another address. Enter that one as URL."
    return f"HTTP {status}: {_MEANINGS.get(status, 'the endpoint failed.')}"


def _through(endpoint):
    """Return a sentence that names the proxy, if the answer may be its own; else nothing.

    In an answer to ``https`` the proxy has no part.
    """
    proxy = endpoint.url.lower().startswith("http:") and _proxy(endpoint)
    return f" The answer came through the proxy {proxy}." if proxy else ""


def _proxy(endpoint):
    host = parse_url(endpoint.url).host
    return proxy_of(host, endpoint.proxy, endpoint.proxy_exceptions)


def retry_after(response):
    """Return the seconds in a ``Retry-After`` header, a number or a date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdecimal():
        seconds = int(value[:10])
    else:
        date = _seconds(value)
        if date is None:
            return None
        now = _seconds(response.headers.get("Date", "")) or time.time()
        seconds = math.ceil(date - now)
    return max(0, min(seconds, MAX_RETRY_AFTER))


def _seconds(date):
    """Return the seconds since the epoch of an HTTP date, or None if the text is no date."""
    try:
        return email.utils.mktime_tz(email.utils.parsedate_tz(date))
    except Exception:  # the parser raises many kinds of errors for other texts
        return None


def _milliseconds_since(started):
    return round(1000 * (time.monotonic() - started))
