"""Answers all errors in one form: `{"success": false, "error": {code, message}}`."""

import logging
from http import HTTPStatus
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ConfigDict
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from bridgecore.api.models import ApiModel
from bridgecore.errors import BridgecoreError, NotReady

log = logging.getLogger(__name__)


class ErrorDetail(ApiModel):
    """What went wrong."""

    code: str
    """For programs: it never changes."""
    message: str
    """For people: what is wrong, and what to do. The text may change."""


class ErrorBody(ApiModel):
    """The answer to every request that failed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "success": False,
                    "error": {
                        "code": "not_authenticated",
                        "message": "The request has no valid signature, Bearer token or API key.",
                    },
                }
            ]
        }
    )

    success: Literal[False] = False
    error: ErrorDetail


#: for the OpenAPI description of every route
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": ErrorBody,
        "description": "The request is wrong or refused, and had no effect. `message` says why.",
    },
    "5XX": {
        "model": ErrorBody,
        "description": "The receiver has a problem. Send the request again later.",
    },
}


def add_error_handlers(app: FastAPI) -> None:
    """Give all errors this body, also unknown routes, wrong parameters and unexpected errors."""

    @app.exception_handler(BridgecoreError)
    async def known(_request: Request, error: BridgecoreError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        if error.retry_after is not None:
            headers["Retry-After"] = str(error.retry_after)
        return _answer(error.status, error.code, str(error), headers)

    @app.exception_handler(RedisConnectionError)
    @app.exception_handler(RedisTimeoutError)
    async def away(request: Request, error: RedisError) -> JSONResponse:
        text = f"The receiver cannot reach its Redis ({type(error).__name__}): try again later."
        wait = request.app.state.parts.settings.retry_after
        return await known(request, NotReady(text, retry_after=wait))

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return _answer(error.status_code, code, f"{error.detail}.", error.headers)

    @app.exception_handler(RequestValidationError)
    async def parameters(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _answer(
            422, "invalid_request", f"{place}: {first['msg'].removeprefix('Value error, ')}"
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(_request: Request, _error: ClientDisconnect) -> JSONResponse:
        return _answer(
            400,
            "disconnected",
            "The connection was closed before the body was complete: send the request again.",
        )

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, error: Exception) -> JSONResponse:
        log.error("request failed error=%s", type(error).__name__)
        return _answer(500, "internal", "The receiver failed unexpectedly: its log says why.")


def _answer(status: int, code: str, message: str, headers: Any = None) -> JSONResponse:
    body = ErrorBody(error=ErrorDetail(code=code, message=message))
    return JSONResponse(body.model_dump(), status, headers)
