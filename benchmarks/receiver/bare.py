"""The floor: a bare FastAPI endpoint that only parses the same body, as one usually does."""

import sys
from typing import Any, Literal

import uvicorn
from bridgecore.api.receiving import Accepted
from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()


class Event(BaseModel):
    """What the receiver checks, too."""

    event_id: int = Field(ge=1)
    source: str
    model: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_.]+$")
    record_id: int = Field(ge=1)
    event: Literal["create", "write", "unlink"]
    timestamp: str
    priority: Literal["high", "medium", "low"] = "medium"
    category: str = "business"
    payload: dict[str, Any] = {}
    changed_fields: list[str] = []
    old_values: dict[str, Any] = {}
    user_id: int | None = None
    user_name: str | None = None
    company_id: int | None = None


class Batch(BaseModel):
    source: str
    events: list[Event]


@app.post("/event")
async def event(event: Event) -> Accepted:
    """One event."""
    return Accepted(accepted=1, duplicates=0)


@app.post("/batch")
async def batch(batch: Batch) -> Accepted:
    """Many."""
    return Accepted(accepted=len(batch.events), duplicates=0)


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
