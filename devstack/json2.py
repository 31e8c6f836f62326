"""A small client for Odoo's external API (JSON-2): `POST /json/2/<model>/<method>`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import requests

from devstack import DevstackError


class OdooCallError(DevstackError):
    """Odoo refused a call."""

    def __init__(self, call: str, status: int, message: str) -> None:
        super().__init__(f"Odoo answered {call} with {status}: {message}")
        self.status = status


@dataclass
class Json2:
    """Calls methods of models as the user whom the API key belongs to."""

    url: str
    database: str
    api_key: str
    #: seconds for one call
    timeout: float = 60
    _session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(self, model: str, method: str, ids: list[int] | None = None, **arguments: Any) -> Any:
        """Call a method, on records if ids are given, and return its result."""
        body = arguments if ids is None else {"ids": ids, **arguments}
        headers = {"Authorization": f"Bearer {self.api_key}", "X-Odoo-Database": self.database}
        try:
            response = self._session.post(
                f"{self.url}/json/2/{model}/{method}",
                json=body,
                headers=headers,
                timeout=self.timeout,
            )
        except requests.RequestException as error:
            raise DevstackError(f"Odoo cannot be reached at {self.url}: {error}") from error
        if not response.ok:
            raise OdooCallError(f"{model}.{method}", response.status_code, _message(response))
        return response.json()

    def create(self, model: str, **values: Any) -> int:
        """Create one record and return its id."""
        [record_id] = self.call(model, "create", vals_list=[values])
        return int(record_id)

    def write(self, model: str, record_id: int, **values: Any) -> None:
        self.call(model, "write", [record_id], vals=values)

    def unlink(self, model: str, record_id: int) -> None:
        self.call(model, "unlink", [record_id])

    def search_read(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call(model, "search_read", domain=domain, fields=fields)
        return found


def _message(response: requests.Response) -> str:
    """What Odoo says about an error, without the traceback that it sends along."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.text[:300]
