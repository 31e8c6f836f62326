"""A request as a person may see it: everything that is sent, except for secrets."""

import dataclasses
import json
import re
import shlex

from urllib3.util import SKIP_HEADER, parse_url

from . import request

_MASK = "***"

#: ``{header that each attempt sets anew: what is shown in its place before the attempt}``
_OF_ATTEMPT = {
    "webhook-timestamp": "(seconds since 1970, when it is sent)",
    "webhook-signature": "v1,(computed when it is sent)",
}

#: Headers whose values are no secrets. All others are masked, whatever they are for. A signature is
#: no secret: it proves a single message, and for a few minutes.
_PUBLIC = frozenset({"content-type", "user-agent", "webhook-id", "x-odoo-instance", *_OF_ATTEMPT})

#: ``{header: shell variable}``; further headers get a variable that is named after them
_VARIABLES = {"webhook-timestamp": "TIMESTAMP", "webhook-signature": "SIGNATURE"}

_SCHEME = re.compile(r"(Bearer|Basic) ")
_PLAIN = re.compile(r"[\w-]+", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class WatchedConnections:
    """Connections that keep the headers of their last message: those that were really sent."""

    def __init__(self, connections):
        self._connections = connections
        #: None if no message was sent, for example because there was no access token
        self.headers = None

    def urlopen(self, method, url, *, headers, **options):
        if "webhook-id" in headers:  # not a request for an access token
            self.headers = headers
        return self._connections.urlopen(method, url, headers=headers, **options)


def expected_headers(endpoint, message_id, body):
    """Return the headers of a message that has not been sent, as ``request.headers`` does.

    An access token of OAuth 2.0 is known only when it is sent. Something else stands in its place.
    """
    if endpoint.auth_type == "oauth2":
        endpoint = dataclasses.replace(endpoint, auth_type="bearer", auth_token=_MASK)
    return request.headers(endpoint, message_id, body)


def shown_headers(endpoint, headers, body, sent):
    """Return the lines of all headers that go out with a body.

    :param dict headers: of ``request.headers`` or ``expected_headers``
    :param bool sent: whether this very attempt was made; if not, its time and signature are unknown
    """
    shown = {"Host": _host(endpoint.url), "Content-Length": str(len(body))}  # by http.client
    for name, value in _sent(headers):
        if not _is_public(endpoint, name, value):
            value = _scheme(value) + _MASK
        elif not sent:
            value = _OF_ATTEMPT.get(name.lower(), value)
        shown[name] = value
    return "\n".join(f"{name}: {value}" for name, value in shown.items())


def shown_body(body):
    """Return the JSON text of a body in lines that a person can read."""
    return json.dumps(json.loads(body), ensure_ascii=False, indent=2)


def curl(endpoint, headers, body):
    """Return a shell command that sends a body, with shell variables in the place of secrets.

    The body is no argument of curl, because Linux allows an argument 128 kB. ``printf`` belongs to
    the shell and has no such limit.
    """
    words = [f"printf %s {shlex.quote(body.decode())} | curl --max-time {endpoint.timeout}"]
    if not endpoint.verify_ssl:
        words.append("--insecure")
    if endpoint.client_certificate:
        words.append('--cert "$CERTIFICATE_FILE" --key "$KEY_FILE"')
    for name, value in _sent(headers):
        if _is_public(endpoint, name, value) and name.lower() not in _OF_ATTEMPT:
            words.append(f"-H {shlex.quote(f'{name}: {value}')}")
        elif value.startswith("Basic "):
            words.append('--user "$TOKEN"')  # as it is entered in Odoo, user:password
        else:
            words.append(f"-H {_with_variable(endpoint, name, value)}")
    # curl takes brackets and braces in a URL for patterns, unless it is told not to
    words.append(f"--data-binary @- --globoff {shlex.quote(endpoint.url)}")
    return " \\\n  ".join(words)


def _sent(headers):
    """Yield the headers that urllib3 sends; it takes one value for the wish to send none."""
    return ((name, value) for name, value in headers.items() if value != SKIP_HEADER)


def _is_public(endpoint, name, value):
    # the header of an API key may have any name
    return name.lower() in _PUBLIC and not any(secret in value for secret in endpoint.secrets)


def _scheme(value):
    found = _SCHEME.match(value)
    return found[0] if found else ""


def _with_variable(endpoint, name, value):
    """Return the word of a shell that is a header with a variable as its value."""
    if name.lower() in ("authorization", endpoint.api_key_header.lower()):
        variable = "TOKEN"
    else:
        named_after = re.sub(r"[^A-Z0-9]", "_", name.upper())
        variable = _VARIABLES.get(name.lower(), f"HEADER_{named_after}")
    text = f"{name}: {_scheme(value)}"
    if _PLAIN.fullmatch(name):
        return f'"{text}${variable}"'
    return f'{shlex.quote(text)}"${variable}"'


def _host(url):
    """Return the ``Host`` header that http.client sends with a URL."""
    parts = parse_url(url)
    host = parts.host.encode("idna").decode() if not parts.host.isascii() else parts.host
    if parts.port in (None, _DEFAULT_PORTS[parts.scheme]):
        return host
    return f"{host}:{parts.port}"
