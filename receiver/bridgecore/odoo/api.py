"""Client of Odoo's external API (JSON-2): `POST /json/2/<model>/<method>`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from bridgecore.config.databases import System
from bridgecore.errors import OdooRefused, OdooUnavailable
from bridgecore.odoo.connection import Connection

#: `active_test`: calls see archived records, too; `active` is a field like any other
CONTEXT = {"active_test": False, "tz": "UTC"}


class OdooApi:
    """Calls methods of one Odoo database, as the user of the API key.

    Raises, from every call:
        OdooUnavailable: Odoo is not reachable, is too slow, does not know the key, or the URL
            belongs to no Odoo; or a proxy or web server in front of it refused the call.
        OdooRefused: Odoo refused the call, which had no effect.
    """

    def __init__(self, system: System, timeout: tuple[float, float]) -> None:
        self.name = system.name
        self._system = system
        self._connection = Connection(
            system, system.api_key.get_secret_value(), timeout, "system", OdooUnavailable
        )

    def call(
        self, model: str, method: str, context: Mapping[str, Any] | None = None, **arguments: Any
    ) -> Any:
        """Call a method. The argument `ids` names the records on which it is called.

        Parameters:
            context: added to Odoo's context, such as `lang` and `allowed_company_ids`.
        """
        url = f"{str(self._system.url).rstrip('/')}/json/2/{model}/{method}"
        body = {"context": {**CONTEXT, **(context or {})}, **arguments}
        answer = self._connection.send("POST", url, json=body)
        content, status = _json(answer), answer.status_code
        if status == 200 and content is not None:
            return content.value
        message = _error_of_odoo(content)
        if message is None and (status in (401, 403, 407, 408, 429) or status >= 500):
            raise OdooUnavailable(self._connection.foreign(answer, "Odoo's external API"))
        if content is None:
            raise OdooUnavailable(
                f"{url} answered {status}{self._connection.through(url)} without JSON: check url "
                "and database."
            )
        if status == 401:
            raise OdooUnavailable(f"{url} does not know the key: check api_key of {self.name}.")
        raise OdooRefused(f"{model}.{method}: {message or status}")

    def search(
        self, model: str, domain: Sequence[Any], fields: Sequence[str], **options: Any
    ) -> list[dict[str, Any]]:
        """Return the records that match, with the values of these fields. Links are ids."""
        found: list[dict[str, Any]] = self.call(
            model, "search_read", domain=list(domain), fields=list(fields), load="", **options
        )
        return found


@dataclass(frozen=True, slots=True)
class _Content:
    """What an answer's JSON says. The value may be None, as many methods return nothing."""

    value: Any


def _json(answer: requests.Response) -> _Content | None:
    """Return the JSON of an answer; None if it has none."""
    try:
        return _Content(answer.json())
    except (ValueError, RecursionError):  # ValueError also for numbers with thousands of digits
        return None


def _error_of_odoo(content: _Content | None) -> str | None:
    """Return the message if this is an error of Odoo's external API, otherwise None."""
    match content:
        case _Content({"name": str(), "message": message}):
            return str(message)
    return None
