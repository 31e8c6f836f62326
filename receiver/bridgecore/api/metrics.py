"""Figures for Prometheus."""

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bridgecore.api.access import Parts, monitor
from bridgecore.watching.metrics import exposition

router = APIRouter(tags=["Monitoring"])


@router.get(
    "/metrics",
    dependencies=[Depends(monitor)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(parts: Parts) -> Response:
    """All figures of all processes: they are computed from Redis when they are asked for."""
    return Response(exposition(parts), media_type=CONTENT_TYPE_LATEST)
