"""Checks whether a request may call a route, and which sources it means."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from bridgecore.accepting.authentication import matches_any
from bridgecore.errors import NotAuthenticated, ReadingClosed, UnknownSource
from bridgecore.runtime import Runtime

_bearer = HTTPBearer(
    auto_error=False,
    description="The value of `BRIDGECORE_ADMIN_TOKEN`; for a push, one of the `push_tokens`.",
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def parts_of(request: Request) -> Runtime:
    """Return the receiver's parts in this process."""
    parts: Runtime = request.app.state.parts
    return parts


Parts = Annotated[Runtime, Depends(parts_of)]


def require_admin(parts: Parts, credentials: Credentials) -> None:
    """Refuse requests without the admin token.

    Raises:
        ReadingClosed, NotAuthenticated
    """
    _require_token(credentials, {"BRIDGECORE_ADMIN_TOKEN": parts.settings.admin_token})


def require_monitor(parts: Parts, credentials: Credentials) -> None:
    """Refuse requests without the metrics token or the admin token.

    Raises:
        ReadingClosed, NotAuthenticated
    """
    settings = parts.settings
    tokens = {
        "BRIDGECORE_METRICS_TOKEN": settings.metrics_token,
        "BRIDGECORE_ADMIN_TOKEN": settings.admin_token,
    }
    _require_token(credentials, tokens)


def _require_token(
    credentials: HTTPAuthorizationCredentials | None, tokens: dict[str, SecretStr | None]
) -> None:
    """Refuse requests that have none of the tokens.

    Parameters:
        tokens: by the names of their settings.
    """
    names = " or ".join(tokens)
    known = [token for token in tokens.values() if token is not None and token.get_secret_value()]
    if not known:
        raise ReadingClosed(
            f"This route is closed, because the receiver has no token for it: set {names} there."
        )
    if credentials is None or not credentials.credentials:
        raise NotAuthenticated(
            f"The request has no Bearer token: send {names} in the header "
            "'Authorization: Bearer …'."
        )
    if not matches_any(credentials.credentials, known):
        raise NotAuthenticated(
            f"The Bearer token of the request is wrong: send the value of {names}."
        )


def only_known_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have.

    If a misspelt filter were ignored, the answer would hold the wrong events.

    Raises:
        RequestValidationError: names the unknown parameter.
    """
    if not request.query_params:
        return
    described = request.app.openapi()["paths"][request.scope["route"].path]
    parameters = described[request.method.lower()].get("parameters", [])
    known = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            text = f"unknown parameter; this route has: {', '.join(known) or 'none'}"
            raise RequestValidationError([{"loc": ("query", name), "msg": text}])


#: The dependencies of all routes for administrators. The token comes first, so that a stranger does
#: not learn which parameters a route has.
FOR_ADMINS = [Depends(require_admin), Depends(only_known_parameters)]


def resolve_sources(parts: Runtime, source: str | None) -> list[str]:
    """Return a list with this source; if None, with all sources.

    Raises:
        UnknownSource: the receiver has no such source.
    """
    if source is None:
        return list(parts.settings.sources_by_id)
    if source not in parts.settings.sources_by_id:
        raise UnknownSource
    return [source]


def resolve_source(parts: Runtime, source: str | None) -> str:
    """Return this source; if None, the only source of the receiver.

    Raises:
        UnknownSource: the receiver has no such source; or None was given, and it has not exactly
            one source.
    """
    sources = resolve_sources(parts, source)
    if not sources:
        raise UnknownSource("This receiver has no source: set BRIDGECORE_SOURCES.")
    if len(sources) > 1:
        raise UnknownSource("This receiver has several sources: say which one with `source`.")
    return sources[0]
