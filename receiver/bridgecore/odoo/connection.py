"""The HTTP connection to one Odoo: its headers, its proxy, and messages about failed calls."""

import io
import re
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError

from bridgecore.config.databases import Source, System
from bridgecore.errors import AnswerTooLarge, BridgecoreError
from bridgecore.reasons import reason

#: Request options of `requests` that switch off the proxies of the environment. Its `trust_env`
#: would switch off REQUESTS_CA_BUNDLE, too.
_NO_PROXY: dict[str, Any] = {"http": None, "https": None, "all": None}
#: characters of the answer's header Server that are quoted
_LONGEST_SERVER = 40


class Connection:
    """Sends requests to one Odoo. It keeps its connections between them.

    Parameters:
        settings: of the Odoo.
        key: sent as Bearer token. If the settings' own headers use Authorization for something
            else, the key is sent as X-API-Key.
        timeout: seconds to connect, and to wait for the answer.
        kind: how messages call the settings: `source` or `system`.
        unavailable: the error for an Odoo that cannot be reached.
    """

    def __init__(
        self,
        settings: Source | System,
        key: str,
        timeout: tuple[float, float],
        kind: str,
        unavailable: type[BridgecoreError],
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._kind = kind
        self._unavailable = unavailable
        self._headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._own_authorization = any(name.lower() == "authorization" for name in self._headers)
        if self._own_authorization:
            self._headers["X-API-Key"] = key
        else:
            self._headers["Authorization"] = f"Bearer {key}"
        if settings.database:
            self._headers["X-Odoo-Database"] = settings.database
        self._session = requests.Session()
        # An auth object and not headers, because requests replaces Authorization if ~/.netrc
        # exists.
        self._session.auth = self._authorize

    def send(
        self, method: str, url: str, most: int | None = None, **content: Any
    ) -> requests.Response:
        """Send a request and return the answer, whatever its status is.

        Parameters:
            most: bytes of the answer that are read; None for all.

        Raises:
            AnswerTooLarge: the answer has more bytes.
            the error `unavailable`: no answer came. The error names the proxy, if one was used.
        """
        try:
            # No redirects: they would send the key to another address.
            response = self._session.request(
                method,
                url,
                timeout=self._timeout,
                allow_redirects=False,
                proxies=self._proxies(),
                stream=most is not None,
                **content,
            )
            if most is not None:
                _read(response, most)
            return response
        except (OSError, HTTPError) as error:  # OSError is the base of the errors of requests
            advice = ""
            if self.through(url):
                advice = f": check that proxy, or {self._change_proxy}"
            raise self._unavailable(
                f"{url} cannot be reached{self.through(url)} ({reason(error)}){advice}."
            ) from error

    def through(self, url: str) -> str:
        """Return the words `through the proxy …` after a space; empty if no proxy is used.

        They contain no user and no password.
        """
        proxy = self._proxy_of(url)
        return f" through the proxy {proxy}" if proxy else ""

    def foreign(self, response: requests.Response, odoo: str) -> str:
        """Return a message about an error that did not come from the part of Odoo that was called.

        Parameters:
            odoo: what should have answered, such as `Odoo's feed`.
        """
        url, status = response.url.partition("?")[0], response.status_code
        through = self.through(url)
        server = re.sub(r"[^ -~]", "", response.headers.get("Server", ""))[:_LONGEST_SERVER].strip()
        who = "a proxy or web server in front of Odoo"
        if through:
            who = "that proxy, or a proxy or web server in front of Odoo,"
        if server.startswith("Werkzeug"):  # Odoo's own web server
            who = "another part of Odoo"
        named = f" (Server: {server})" if server else ""
        return (
            f"{url} answered {status}{through}, but this was not {odoo}: {who} answered{named}"
            f"{self._demand(response, bool(through))}."
        )

    def _demand(self, response: requests.Response, proxied: bool) -> str:
        """Return what the server asks for and what to set, as the end of a sentence."""
        this = f"this {self._kind}"
        scheme = re.match(r"[A-Za-z0-9_-]{1,30}", response.headers.get("WWW-Authenticate", ""))
        asks = f" (WWW-Authenticate: {scheme.group()})" if scheme else ""
        if response.status_code == 407:
            return f" and asks for a password: put user and password into `proxy` of {this}"
        if response.status_code == 401 and self._own_authorization:
            return (
                f"{asks} and does not accept the Authorization in `headers` of {this}: correct it"
            )
        if response.status_code == 401:
            return f" and asks for its own password{asks}: set `headers` of {this}"
        instead = f", or {self._change_proxy}" if proxied else ""
        if response.status_code == 403:
            return f" and refuses the call: let it pass there{instead}"
        return f": see the log there{instead}"

    @property
    def _change_proxy(self) -> str:
        if self._settings.proxy.get_secret_value():
            return f"change `proxy` of this {self._kind}"
        return (
            f'set `proxy` of this {self._kind} to "none" if it needs none (this one is named by '
            "the environment, such as HTTP_PROXY)"
        )

    def _proxies(self) -> dict[str, Any] | None:
        """Return the option `proxies` of requests. None means: as the environment says."""
        match self._settings.proxy.get_secret_value():
            case "":
                return None
            case "none":
                return _NO_PROXY
            case address:
                return {"http": address, "https": address}

    def _proxy_of(self, url: str) -> str | None:
        """Return the address of the proxy for a URL, without user and password."""
        proxies = self._session.merge_environment_settings(
            url, dict(self._proxies() or {}), None, None, None
        )["proxies"]
        address = select_proxy(url, proxies)
        if not address:
            return None
        if "://" not in address:
            address = f"http://{address}"
        parts = urlsplit(address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request


def _read(response: requests.Response, most: int) -> None:
    """Read the body of a streamed answer, but not more than so many bytes.

    Raises:
        AnswerTooLarge, HTTPError
    """
    body = response.raw.read(most + 1, decode_content=True)
    if len(body) > most:
        response.close()
        raise AnswerTooLarge
    response.raw = io.BytesIO(body)
