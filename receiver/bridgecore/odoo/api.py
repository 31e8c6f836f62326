"""Client of Odoo's external API (JSON-2): `POST /json/2/<model>/<method>`."""

from collections.abc import Sequence
from typing import Any

import requests

from bridgecore.config.databases import System
from bridgecore.errors import OdooRefused, OdooUnavailable
from bridgecore.reasons import reason

#: `active_test`: calls see archived records, too; `active` is a field like any other
CONTEXT = {"active_test": False, "tz": "UTC"}


class OdooApi:
    """Calls methods of one Odoo database, as the user of the API key.

    Raises, from every call:
        OdooUnavailable: Odoo is not reachable, is too slow, does not know the key, or the URL
            belongs to no Odoo.
        OdooRefused: Odoo refused the call, which had no effect.
    """

    def __init__(self, system: System, timeout: tuple[float, float]) -> None:
        self.name = system.name
        self._system = system
        self._timeout = timeout
        self._session = requests.Session()
        # An auth object and not a header, because requests replaces the header if ~/.netrc exists.
        self._session.auth = self._authorize
        if system.database:
            self._session.headers["X-Odoo-Database"] = system.database

    def call(self, model: str, method: str, **arguments: Any) -> Any:
        """Call a method. The argument `ids` names the records on which it is called."""
        url = f"{str(self._system.url).rstrip('/')}/json/2/{model}/{method}"
        body = {"context": CONTEXT, **arguments}
        try:
            # No redirects: they would send the key to another address.
            answer = self._session.post(
                url, json=body, timeout=self._timeout, allow_redirects=False
            )
        except OSError as error:  # the base class of the errors of requests
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
        """Return the records that match, with the values of these fields. Links are ids."""
        found: list[dict[str, Any]] = self.call(
            model, "search_read", domain=list(domain), fields=list(fields), load="", **options
        )
        return found

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._system.api_key.get_secret_value()}"
        return request
