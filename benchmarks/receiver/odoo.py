"""An Odoo with an empty feed, which takes confirmations."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Response

app = FastAPI()


@app.post("/api/webhooks/mark-processed")
async def mark_processed() -> Response:
    return Response('{"success": true, "unknown": []}', media_type="application/json")


@app.post("/api/webhooks/pull")
async def pull() -> Response:
    page = '{"success": true, "events": [], "last_id": 0, "has_more": false}'
    return Response(page, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
