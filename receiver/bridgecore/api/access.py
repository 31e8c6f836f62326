"""Checks whether a request may call a route, and which sources it means."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer

from bridgecore.accepting.authentication import bearer_token, matches_any
from bridgecore.errors import NotAuthenticated, ReadingClosed, ReadOnly, UnknownSource
from bridgecore.runtime import Runtime

_bearer = HTTPBearer(
    auto_error=False,
    description="The value of `BRIDGECORE_ADMIN_TOKEN`, or for reading that of "
    "`BRIDGECORE_READ_TOKEN`; for a push, one of the `push_tokens`.",
)


def parts_of(request: Request) -> Runtime:
    """Return the receiver's parts in this process."""
    parts: Runtime = request.app.state.parts
    return parts


Parts = Annotated[Runtime, Depends(parts_of)]


def require_admin(request: Request) -> None:
    """Refuse requests without the admin token. The read token is enough for reading.

    Raises:
        ReadingClosed, NotAuthenticated, ReadOnly
    """
    _require_token(request, ("admin", "read") if request.method == "GET" else ("admin",))


def require_monitor(request: Request) -> None:
    """Refuse requests without the metrics token, the read token or the admin token.

    Raises:
        ReadingClosed, NotAuthenticated
    """
    _require_token(request, ("metrics", "read", "admin"))


def token_of(request: Request) -> str:
    """Return the name of the token that the request was sent with, for the audit log."""
    name: str = request.state.token
    return name


#: the name of the token that the request was sent with: `admin`, `read` or `metrics`
TokenName = Annotated[str, Depends(token_of)]


def _require_token(request: Request, names: Sequence[str]) -> None:
    """Refuse requests that have none of these tokens; note which one the request has.

    Only the headers are looked at: the body of a request without a token is never read.
    """
    settings = parts_of(request).settings
    settings_names = " or ".join(f"BRIDGECORE_{name.upper()}_TOKEN" for name in names)
    if not any(settings.tokens.get(name) for name in names):
        raise ReadingClosed(
            "This route is closed, because the receiver has no token for it: set "
            f"{settings_names} there."
        )
    given = bearer_token(request.headers)
    if not given:
        raise NotAuthenticated(
            f"The request has no Bearer token: send {settings_names} in the header "
            "'Authorization: Bearer …'."
        )
    found = [name for name, token in settings.tokens.items() if matches_any(given, [token])]
    if not found:
        raise NotAuthenticated(
            f"The Bearer token of the request is wrong: send the value of {settings_names}."
        )
    request.state.token = found[0]
    if found[0] not in names:
        if found[0] == "read":
            raise ReadOnly
        raise NotAuthenticated(
            f"The Bearer token of the request does not open this route: send {settings_names}."
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


#: The dependency of all routes with a token, for the API description. The token itself is checked
#: before, by the class of the route.
DESCRIBED = Depends(_bearer)

#: The dependencies of all routes for administrators. The token was checked before, so that a
#: stranger does not learn which parameters a route has.
FOR_ADMINS = [DESCRIBED, Depends(only_known_parameters)]


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
