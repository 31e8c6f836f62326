"""Routes that check the token of a request before they read its body.

FastAPI itself reads and parses the body first, in the event loop, and resolves dependencies later.
A stranger's large body would keep all pushes waiting meanwhile.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message, Receive

from bridgecore.api.access import require_admin, require_monitor
from bridgecore.api.bodies import limited_body

#: bytes of a body that an administrator may send; 10,000 keys of dead letters have half of it
MAX_BODY_BYTES = 1_000_000

_TOO_LARGE = "The body is larger than 1 MB: send fewer keys at once."


class AdminRoute(APIRoute):
    """A route for administrators. The read token opens it too if it only reads."""

    check = staticmethod(require_admin)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_body = self.body_field is not None

        async def guarded(request: Request) -> Response:
            self.check(request)
            if reads_body:
                body = await limited_body(request, MAX_BODY_BYTES, message=_TOO_LARGE)
                request = Request(request.scope, _once(body))
            return await handle(request)

        return guarded


class MonitorRoute(AdminRoute):
    """A route for Prometheus, which the metrics token opens, too."""

    check = staticmethod(require_monitor)


def _once(body: bytes) -> Receive:
    """Return what FastAPI reads the body from instead of the connection."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
