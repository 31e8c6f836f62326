"""The routes for health checks: is the process alive, and can it accept events?"""

from typing import Literal

from fastapi import APIRouter
from pydantic import ConfigDict
from redis.exceptions import RedisError

from bridgecore.api.access import Parts
from bridgecore.api.models import ApiModel
from bridgecore.errors import NotReady

router = APIRouter(prefix="/health", tags=["Monitoring"])


class Health(ApiModel):
    """The check has succeeded."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"
    warning: str | None = None
    """Set if the receiver has nothing to do: no source is configured."""


@router.get("/live", response_model_exclude_none=True)
async def live() -> Health:
    """Check that the API process answers. It says nothing about Redis or the workers."""
    return Health()


@router.get("/ready", response_model_exclude_none=True)
def ready(parts: Parts) -> Health:
    """Check that events can be accepted. If not, the answer is 503, and `message` says why."""
    try:
        problem = parts.storage.problem()
    except RedisError as error:
        problem = f"Redis cannot be reached ({type(error).__name__}): check BRIDGECORE_REDIS_URL."
    if not problem and parts.settings.broker_url:
        problem = parts.messages.problem()
    if problem:
        raise NotReady(problem, retry_after=parts.settings.retry_after)
    return Health(warning=parts.settings.problem)
