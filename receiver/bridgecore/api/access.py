"""Who may call what."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from bridgecore.accepting.authentication import matches_any
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
    _require(credentials, {"BRIDGECORE_ADMIN_TOKEN": parts.settings.admin_token})


def monitor(parts: Parts, credentials: Credentials) -> None:
    """Lets the bearer of the metrics token pass, and the one of the admin token."""
    settings = parts.settings
    tokens = {
        "BRIDGECORE_METRICS_TOKEN": settings.metrics_token,
        "BRIDGECORE_ADMIN_TOKEN": settings.admin_token,
    }
    _require(credentials, tokens)


def _require(
    credentials: HTTPAuthorizationCredentials | None, tokens: dict[str, SecretStr | None]
) -> None:
    """Any of the tokens will do; they are given by the names of their settings."""
    names = " or ".join(tokens)
    known = [token for token in tokens.values() if token is not None and token.get_secret_value()]
    if not known:
        raise ReadingClosed(f"Reading is closed until {names} is set.")
    if credentials is None or not credentials.credentials:
        raise NotAuthenticated(f"Send {names} as 'Authorization: Bearer …'.")
    if not matches_any(credentials.credentials, known):
        raise NotAuthenticated(f"The Bearer token that was sent is not {names}.")


def only_known_parameters(request: Request) -> None:
    """Lets a query pass whose parameters the route's description names.

    A misspelt filter that is ignored would return the wrong events.

    Raises:
        RequestValidationError
    """
    if not request.query_params:
        return
    described = request.app.openapi()["paths"][request.scope["route"].path]
    parameters = described[request.method.lower()].get("parameters", [])
    known = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            text = f"unknown parameter; known here: {', '.join(known) or 'none'}"
            raise RequestValidationError([{"loc": ("query", name), "msg": text}])


#: what each route for administrators depends on; who may not call it learns nothing of the second
FOR_ADMINS = [Depends(admin), Depends(only_known_parameters)]


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
