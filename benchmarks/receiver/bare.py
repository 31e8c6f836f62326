"""The floor: a bare FastAPI endpoint that only parses the same body."""

import sys

import uvicorn
from bridgecore.api.receiving import Accepted
from bridgecore.events import Event
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


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
