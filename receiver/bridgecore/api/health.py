"""Whether this process lives, and whether it can take in events."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError

from bridgecore.api.access import Parts
from bridgecore.errors import NotReady

router = APIRouter(prefix="/health", tags=["Monitoring"])


class Health(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"
    #: what keeps the receiver from doing anything
    warning: str | None = None


@router.get("/live", response_model_exclude_none=True)
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get("/ready", response_model_exclude_none=True)
def ready(parts: Parts) -> Health:
    """Events can be queued; if not, the error says what is wrong."""
    try:
        problem = parts.storage.problem()
    except RedisError as error:
        problem = f"Redis cannot be reached ({type(error).__name__})."
    if not problem and parts.settings.broker_url:
        problem = parts.messages.problem()
    if problem:
        raise NotReady(problem, retry_after=parts.settings.retry_after)
    return Health(warning=parts.settings.problem)
