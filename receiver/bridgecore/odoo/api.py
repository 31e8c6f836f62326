"""Client of Odoo's external API (JSON-2): `POST /json/2/<model>/<method>`."""

from collections.abc import Sequence
from typing import Any

import requests

from bridgecore.config.databases import System
from bridgecore.errors import OdooRefused, OdooUnavailable
from bridgecore.reasons import reason

#: also of archived records: that they are is a value like any other
CONTEXT = {"active_test": False, "tz": "UTC"}


class OdooApi:
    """Calls methods as the user whom the API key belongs to.

    Raises, from every call:
        OdooUnavailable: not reachable, too slow, or not an Odoo.
        OdooRefused: it understood the call and refused it; it had no effect.
    """

    def __init__(self, system: System, timeout: tuple[float, float]) -> None:
        self.name = system.name
        self._system = system
        self._timeout = timeout
        self._session = requests.Session()
        # As an auth object and not as a header: a ~/.netrc would replace the header.
        self._session.auth = self._authorize
        if system.database:
            self._session.headers["X-Odoo-Database"] = system.database

    def call(self, model: str, method: str, **arguments: Any) -> Any:
        """Call a method; `ids` are the records that it is called on."""
        url = f"{str(self._system.url).rstrip('/')}/json/2/{model}/{method}"
        body = {"context": CONTEXT, **arguments}
        try:
            # A redirect would carry the key to another address.
            answer = self._session.post(
                url, json=body, timeout=self._timeout, allow_redirects=False
            )
        except OSError as error:  # as all of requests' errors are
            raise OdooUnavailable(f"{url} cannot be reached ({reason(error)}).") from error
        try:
            content = answer.json()
        except requests.JSONDecodeError:
            text = f"{url} answered {answer.status_code} without JSON: check url and database."
            raise OdooUnavailable(text) from None
        if answer.status_code == 200:
            return content
        message = content.get("message") if isinstance(content, dict) else None
        if answer.status_code == 401:
            raise OdooUnavailable(f"{url} does not know the key: check api_key of {self.name}.")
        raise OdooRefused(f"{model}.{method}: {message or answer.status_code}")

    def search(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **options: Any
    ) -> list[dict[str, Any]]:
        """Records that match, with the values of these fields; links as ids."""
        found: list[dict[str, Any]] = self.call(
            model, "search_read", domain=list(domain), fields=list(fields), load="", **options
        )
        return found

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._system.api_key.get_secret_value()}"
        return request
