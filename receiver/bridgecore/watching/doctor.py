"""Checks that everything the receiver needs is there, and says what to do if it is not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from redis.exceptions import RedisError

from bridgecore.config.databases import Source, System
from bridgecore.errors import BridgecoreError, FeedError, OdooRefused, OdooUnavailable
from bridgecore.odoo.api import OdooApi
from bridgecore.queue.messages import QUEUES
from bridgecore.reasons import reason
from bridgecore.runtime import Runtime

#: seconds that workers have to answer
_PATIENCE = 2.0


class Verdict(Enum):
    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    subject: str
    #: what was found; if it is not good, what to do
    text: str


def examine(parts: Runtime) -> Iterator[Finding]:
    """All checks, in the order in which one needs the other."""
    yield _handlers(parts)
    redis = _redis(parts)
    yield from redis
    reachable = all(finding.verdict is not Verdict.BAD for finding in redis)
    if reachable:
        yield _workers(parts)
    if parts.settings.problem:
        yield Finding(Verdict.BAD, "sources", parts.settings.problem)
    for source in parts.settings.sources:
        found = list(_source(parts, source))
        yield from found
        # What Odoo refuses is not read, whether beat runs or not.
        if reachable and all(finding.verdict is not Verdict.BAD for finding in found):
            yield _pulled(parts, source)
    for system in parts.settings.systems:
        yield _system(parts, system)
    if parts.settings.admin_token is None:
        text = "Reading routes are closed: set BRIDGECORE_ADMIN_TOKEN to open them."
        yield Finding(Verdict.DOUBTFUL, "admin token", text)


def _handlers(parts: Runtime) -> Finding:
    try:
        count = len(list(parts.registry))
    except BridgecoreError as error:
        return Finding(Verdict.BAD, "handlers", str(error))
    if not count:
        text = "None: events are stored and confirmed, and nothing else. Set BRIDGECORE_HANDLERS."
        return Finding(Verdict.DOUBTFUL, "handlers", text)
    return Finding(Verdict.GOOD, "handlers", f"{count} registered")


def _redis(parts: Runtime) -> list[Finding]:
    redis = parts.storage.redis
    try:
        problem = parts.storage.problem()
        info: Any = redis.info()
        persistence: Any = redis.info("persistence")
    except RedisError as error:
        text = (
            f"{parts.settings.redis.where} cannot be used ({reason(error)}): check "
            "BRIDGECORE_REDIS_URL, or name the --data-dir of `bridgecore serve`."
        )
        return [Finding(Verdict.BAD, "redis", text)]
    if problem:
        return [Finding(Verdict.BAD, "redis", problem)]
    version = info.get("redis_version", "?")
    found = [Finding(Verdict.GOOD, "redis", f"version {version}, {info['used_memory_human']} used")]
    if not persistence.get("aof_enabled"):
        text = (
            "It does not write each change to disk (appendonly no): after a crash of Redis, what "
            "was not confirmed comes again from Odoo, and handlers may see it twice."
        )
        found.append(Finding(Verdict.DOUBTFUL, "redis", text))
    return found


def _workers(parts: Runtime) -> Finding:
    try:
        answers: Any = parts.celery.control.inspect(timeout=_PATIENCE).active_queues() or {}
    except Exception as error:  # kombu has no base class for what its transports raise
        text = (
            f"The broker at {parts.settings.broker_at} cannot be used ({reason(error)}): check "
            "BRIDGECORE_BROKER_URL, or without that BRIDGECORE_REDIS_URL."
        )
        return Finding(Verdict.BAD, "workers", text)
    served = {queue["name"] for queues in answers.values() for queue in queues}
    missing = [queue for queue in QUEUES if queue not in served]
    if missing:
        text = f"Nobody serves {', '.join(missing)}: start `bridgecore worker`."
        return Finding(Verdict.BAD, "workers", text)
    return Finding(Verdict.GOOD, "workers", f"{len(answers)} answer")


def _source(parts: Runtime, source: Source) -> Iterator[Finding]:
    subject = source.name or source.id
    feed = parts.feed(source.id)
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("the key may read the feed", lambda: feed.pull(0, 1, include_processed=False)),
        ("the key may confirm", lambda: feed.mark_processed([], {})),
    )
    for text, check in checks:
        try:
            check()
        except FeedError as error:
            yield Finding(Verdict.BAD, subject, str(error))
            return
        yield Finding(Verdict.GOOD, subject, text)
    if not source.signing_secrets and not source.push_tokens:
        text = "It cannot push: set signing_secrets, or leave it to be pulled."
        yield Finding(Verdict.DOUBTFUL, subject, text)


def _system(parts: Runtime, system: System) -> Finding:
    try:
        api = OdooApi(system, parts.settings.feed_timeout)
        api.call("ir.model.data", "search_count", domain=[["id", "=", 0]])
    except OdooUnavailable as error:
        return Finding(Verdict.BAD, system.name, str(error))
    except OdooRefused:
        text = "The key's user may not read external ids: add the group 'Access Rights'."
        return Finding(Verdict.BAD, system.name, text)
    return Finding(Verdict.GOOD, system.name, "the external API answers")


def _pulled(parts: Runtime, source: Source) -> Finding:
    subject = source.name or source.id
    figures = parts.storage.figures.read(source.id)
    patience = 10 * parts.settings.pull_interval
    if figures.since_read is None or figures.since_read > patience:
        text = "Its feed has not been read lately: start `bridgecore beat`, and see its log."
        return Finding(Verdict.BAD, subject, text)
    if figures.dead:
        text = f"{figures.dead} dead letters: `bridgecore dead-letters list` shows why."
        return Finding(Verdict.DOUBTFUL, subject, text)
    return Finding(
        Verdict.GOOD, subject, f"read {figures.since_read:.0f} s ago, {figures.queued} wait"
    )
