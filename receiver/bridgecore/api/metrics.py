"""The route for Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bridgecore.api.access import DESCRIBED, Parts
from bridgecore.api.guarded_routes import MonitorRoute
from bridgecore.watching.metrics import exposition

router = APIRouter(tags=["Monitoring"], route_class=MonitorRoute)


@router.get(
    "/metrics",
    dependencies=[DESCRIBED],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(parts: Parts) -> Response:
    """Return the figures of all processes, on all hosts, in the text format of Prometheus.

    Ask one API process only, and do not add up the figures of several.
    """
    return Response(exposition(parts), media_type=CONTENT_TYPE_LATEST)
