"""Finds workers whose processes are all stuck in handlers, so that they handle no events."""

from collections import defaultdict
from collections.abc import Iterator

from bridgecore.runtime import Runtime
from bridgecore.storage.slow_calls import SlowCall


def stuck_workers(parts: Runtime, host: str | None = None) -> Iterator[str]:
    """Yield a text for each worker whose processes have all been in one handler for long.

    Parameters:
        host: look at the workers of this host only.
    """
    by_worker: dict[tuple[str, str], list[SlowCall]] = defaultdict(list)
    for source in parts.settings.sources_by_id:
        for call in parts.storage.slow_calls.read(source):
            if call.seconds >= parts.settings.stuck_after and host in (None, call.host):
                by_worker[call.worker, call.host].append(call)
    for (worker, where), calls in by_worker.items():
        if len(calls) >= getattr(parts.settings, f"{worker}_concurrency", 1):
            longest = "; ".join(describe(call) for call in calls)
            yield f"All processes of the worker {worker} on {where} are stuck: {longest}"


def describe(call: SlowCall) -> str:
    """Return which handler runs for which event, and for how long."""
    return (
        f"{call.handler} has been handling event {call.event} for {call.seconds:.0f} s "
        f"(process {call.pid} of {call.host})"
    )
