"""Attempts with an access token (OAuth 2.0, client credentials grant: RFC 6749, section 4.4).

The module is a layer above ``transport``, which it gives an endpoint with a bearer token. It keeps
the tokens in the memory of the process only.
"""

import base64
import dataclasses
import functools
import json
import re
import threading
import time
import urllib.parse

from urllib3.util import SKIP_HEADER

from ..wire.masking import longest_form, masked
from . import transport

_LARGEST_ANSWER = 65536  # bytes
_EXCERPT = 200  # bytes of a refusal that are shown
_DEFAULT_LIFETIME = 300  # seconds, for an answer that does not say how long its token is valid
_MARGIN = 60  # seconds before its end in which a token is not used any more
_TOKEN = re.compile(r"[!-~]+")


class _TokenError(Exception):
    """No access token could be had; the text says why, and holds no secret."""

    def __init__(self, text, retry_after=None):
        super().__init__(text)
        self.retry_after = retry_after


@dataclasses.dataclass(frozen=True)
class Client:
    """Who asks for tokens, where, and what for."""

    url: str
    id: str
    secret: str
    #: whether id and secret go into the body instead of the header ``Authorization``
    in_body: bool
    scope: str
    audience: str

    @property
    def basic(self):
        """Id and secret as the header carries them (RFC 6749, section 2.3.1)."""
        pair = ":".join(map(urllib.parse.quote_plus, (self.id, self.secret)))
        return base64.b64encode(pair.encode()).decode()


def post(connections, endpoint, message_id, body):
    """POST as ``transport.post`` does, with an access token if the endpoint wants one.

    Getting the token counts as a part of the attempt, and of its time.
    """
    if endpoint.auth_type != "oauth2":
        return transport.post(connections, endpoint, message_id, body)
    started = time.monotonic()
    try:
        outcome = _post(connections, endpoint, message_id, body, started + endpoint.timeout)
    except _TokenError as error:
        outcome = transport.Outcome(
            False, error=str(error), unsent=True, retry_after=error.retry_after
        )
    return dataclasses.replace(outcome, duration=round(1000 * (time.monotonic() - started)))


def _post(connections, endpoint, message_id, body, deadline):
    """Send a message with the token in memory, and once more with a new one if that is refused."""
    holder = _holder(endpoint)
    fetch = functools.partial(_fetch, connections, Client(**endpoint.oauth))
    while True:
        token, is_new = holder.token(fetch, deadline)
        bearer = dataclasses.replace(
            endpoint, auth_type="bearer", auth_token=token, timeout=_seconds_until(deadline)
        )
        outcome = transport.post(connections, bearer, message_id, body)
        if outcome.status != 401:
            return outcome
        holder.forget(token)
        if is_new or time.monotonic() >= deadline:
            return outcome


def _seconds_until(deadline):
    return max(deadline - time.monotonic(), 0.001)


class _Holder:
    """Holds the token of one client. One thread at a time fetches it, and the others wait."""

    def __init__(self):
        self._lock = threading.Lock()
        self._token = None
        self._valid_until = 0

    def token(self, fetch, deadline):
        """Return a valid token, and whether it was fetched just now.

        :raises _TokenError: if there is none before the deadline
        """
        if not self._lock.acquire(timeout=_seconds_until(deadline)):
            raise _TokenError("The token endpoint did not answer in time.")
        try:
            started = time.monotonic()
            if self._token and started < self._valid_until:
                return self._token, False
            self._token, lifetime = fetch(_seconds_until(deadline))
            self._valid_until = started + lifetime - min(_MARGIN, lifetime / 2)
            return self._token, True
        finally:
            self._lock.release()

    def forget(self, token):
        """Forget a token that was refused, unless there is another one already.

        This does not wait for the lock: a thread that is fetching a token may take all the time of
        this attempt.
        """
        if self._token == token:
            self._token = None


_holders_lock = threading.Lock()


def _holder(endpoint):
    """Return the ``_Holder`` for the settings of an endpoint; other settings have another one."""
    with _holders_lock:
        return _new_holder(
            Client(**endpoint.oauth), endpoint.verify_ssl, endpoint.allow_private_network
        )


@functools.lru_cache(maxsize=256)
def _new_holder(*_settings):
    return _Holder()


def _fetch(connections, client, timeout):
    """Ask for a token, and return it and the seconds for which it is valid.

    :raises _TokenError: if there is none
    """
    try:
        response = connections.urlopen("POST", client.url, timeout=timeout, **_request(client))
    except Exception as error:  # http.client and idna raise errors of their own for odd answers
        raise _TokenError(f"The token endpoint failed: {transport.describe(error)}") from error
    secrets = tuple(sorted({client.basic, client.secret}, key=len, reverse=True))
    text = transport.read_beginning(response, _LARGEST_ANSWER + longest_form(secrets)) or b""
    answer = _parsed(text)
    if not 200 <= response.status < 300:
        reason = masked(_reason(answer) or text, _EXCERPT, secrets)
        raise _TokenError(
            f"The token endpoint answered HTTP {response.status}: {reason}".rstrip(": "),
            transport.retry_after(response),
        )
    token, kind = answer.get("access_token"), answer.get("token_type", "bearer")
    if not (isinstance(token, str) and _TOKEN.fullmatch(token)):
        raise _TokenError("The token endpoint answered without an access token.")
    if not (isinstance(kind, str) and kind.lower() == "bearer"):
        raise _TokenError("The token endpoint answered with another token than a bearer token.")
    return token, _lifetime(answer)


def _request(client):
    """Return headers and body of a request for a token."""
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "User-Agent": "auto_webhook_odoo",
        "Accept-Encoding": SKIP_HEADER,
    }
    form = {"grant_type": "client_credentials", "scope": client.scope, "audience": client.audience}
    if client.in_body:
        form |= {"client_id": client.id, "client_secret": client.secret}
    else:
        headers["Authorization"] = f"Basic {client.basic}"
    body = urllib.parse.urlencode({name: value for name, value in form.items() if value})
    return {"headers": headers, "body": body.encode()}


def _parsed(text):
    """Return the JSON object in an answer; an empty one if there is none."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _reason(answer):
    """Return why a token was refused, as bytes (RFC 6749, section 5.2)."""
    texts = (answer.get("error"), answer.get("error_description"))
    return ": ".join(text for text in texts if isinstance(text, str)).encode(errors="replace")


def _lifetime(answer):
    """Return the seconds for which a token is valid, 0 if it must not be used again."""
    try:
        return max(0.0, float(answer["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return _DEFAULT_LIFETIME
