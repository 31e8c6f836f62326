"""Who may call what."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from bridgecore.authentication import matches_any
from bridgecore.errors import NotAuthenticated, ReadingClosed, UnknownSource
from bridgecore.runtime import Runtime

_bearer = HTTPBearer(auto_error=False, description="BRIDGECORE_ADMIN_TOKEN")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def parts_of(request: Request) -> Runtime:
    """The parts of the receiver that this process is made of."""
    parts: Runtime = request.app.state.parts
    return parts


Parts = Annotated[Runtime, Depends(parts_of)]


def admin(parts: Parts, credentials: Credentials) -> None:
    """Lets the bearer of the admin token pass."""
    _require(credentials, [parts.settings.admin_token])


def monitor(parts: Parts, credentials: Credentials) -> None:
    """Lets the bearer of the metrics token pass, and the one of the admin token."""
    _require(credentials, [parts.settings.metrics_token, parts.settings.admin_token])


def _require(
    credentials: HTTPAuthorizationCredentials | None, tokens: list[SecretStr | None]
) -> None:
    known = [token for token in tokens if token is not None and token.get_secret_value()]
    if not known:
        raise ReadingClosed
    if not matches_any(credentials.credentials if credentials else "", known):
        raise NotAuthenticated("Send the token as 'Authorization: Bearer …'.")


def chosen_sources(parts: Runtime, source: str | None) -> list[str]:
    """The one that was named, else all.

    Raises:
        UnknownSource
    """
    if source is None:
        return list(parts.settings.sources_by_id)
    if source not in parts.settings.sources_by_id:
        raise UnknownSource
    return [source]


def the_source(parts: Runtime, source: str | None) -> str:
    """The one that was named, else the only one there is.

    Raises:
        UnknownSource
    """
    chosen = chosen_sources(parts, source)
    if len(chosen) != 1:
        raise UnknownSource("Name one source; this receiver has several, or none.")
    return chosen[0]
