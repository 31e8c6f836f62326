"""Checks everything that the receiver needs. Each finding says what is wrong, then what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from redis.exceptions import RedisError

from bridgecore.config.databases import Source, System
from bridgecore.errors import BridgecoreError, FeedError, OdooRefused, OdooUnavailable
from bridgecore.odoo.api import OdooApi
from bridgecore.odoo.feed import OdooFeed
from bridgecore.queue.messages import QUEUES
from bridgecore.reasons import reason
from bridgecore.runtime import Runtime
from bridgecore.watching.stuck import describe, stuck_workers

#: seconds that workers have for their answers
_WORKER_TIMEOUT = 2.0


class Verdict(Enum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    verdict: Verdict
    subject: str
    #: what the check found; unless that is good, also what to do
    text: str


def examine(parts: Runtime) -> Iterator[Finding]:
    """Run all checks, and yield their findings.

    A check that needs the success of an earlier one is left out if that one failed.
    """
    yield _check_handlers(parts)
    redis = _check_redis(parts)
    yield from redis
    reachable = all(finding.verdict is not Verdict.ERROR for finding in redis)
    if reachable:
        yield _check_workers(parts)
        yield from (Finding(Verdict.ERROR, "workers", text) for text in stuck_workers(parts))
    if parts.settings.problem:
        yield Finding(Verdict.ERROR, "sources", parts.settings.problem)
    for source in parts.settings.sources:
        found = list(_check_source(parts, source))
        yield from found
        if reachable:
            yield from _check_instances(parts, source)
        # If Odoo refuses the calls, a feed that was not read says nothing about beat.
        if reachable and all(finding.verdict is not Verdict.ERROR for finding in found):
            yield from _check_progress(parts, source)
    for system in parts.settings.systems:
        yield _check_system(parts, system)
    if parts.settings.admin_token is None:
        text = "The routes for administrators are closed: set BRIDGECORE_ADMIN_TOKEN to open them."
        yield Finding(Verdict.WARNING, "admin token", text)


def _check_handlers(parts: Runtime) -> Finding:
    try:
        count = len(list(parts.registry))
    except BridgecoreError as error:
        return Finding(Verdict.ERROR, "handlers", str(error))
    if problem := parts.registry.problem:
        return Finding(Verdict.WARNING, "handlers", problem)
    return Finding(Verdict.OK, "handlers", f"{count} registered")


def _check_redis(parts: Runtime) -> list[Finding]:
    redis = parts.storage.redis
    try:
        problem = parts.storage.problem()
        info: Any = redis.info()
        persistence: Any = redis.info("persistence")
    except RedisError as error:
        text = (
            f"Redis at {parts.settings.redis.location} cannot be used ({reason(error)}): check "
            "BRIDGECORE_REDIS_URL, or give the --data-dir of your `bridgecore serve`."
        )
        return [Finding(Verdict.ERROR, "redis", text)]
    if problem:
        return [Finding(Verdict.ERROR, "redis", problem)]
    version = info.get("redis_version", "?")
    found = [Finding(Verdict.OK, "redis", f"version {version}, {info['used_memory_human']} used")]
    if not persistence.get("aof_enabled"):
        text = (
            "Redis does not write each change to disk (appendonly is no). After a crash of Redis, "
            "handlers may see unconfirmed events twice: set appendonly to yes in Redis."
        )
        found.append(Finding(Verdict.WARNING, "redis", text))
    return found


def _check_workers(parts: Runtime) -> Finding:
    try:
        answers: Any = parts.celery.control.inspect(timeout=_WORKER_TIMEOUT).active_queues() or {}
    except Exception as error:  # kombu's transports raise errors without a common base class
        text = (
            f"The broker at {parts.settings.broker_location} cannot be used ({reason(error)}): "
            "check BRIDGECORE_BROKER_URL or, if that is not set, BRIDGECORE_REDIS_URL."
        )
        return Finding(Verdict.ERROR, "workers", text)
    served = {queue["name"] for queues in answers.values() for queue in queues}
    missing = [queue for queue in QUEUES if queue not in served]
    if missing:
        text = f"No worker serves {', '.join(missing)}: start `bridgecore worker`."
        return Finding(Verdict.ERROR, "workers", text)
    return Finding(Verdict.OK, "workers", f"{len(answers)} workers answer")


def _check_source(parts: Runtime, source: Source) -> Iterator[Finding]:
    subject = source.name or source.id
    feed = parts.feed(source.id)
    checks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("the feed key may read events", lambda: feed.pull(0, 1, include_processed=False)),
        ("the feed key may confirm events", lambda: feed.mark_processed([], {})),
    )
    for text, check in checks:
        try:
            check()
        except FeedError as error:
            yield Finding(Verdict.ERROR, subject, str(error))
            return
        yield Finding(Verdict.OK, subject, text)
    yield from _check_consumer(subject, feed)
    if not source.signing_secrets and not source.push_tokens:
        text = (
            "This source has no signing_secrets and no push_tokens, so it cannot push: add one of "
            "them in BRIDGECORE_SOURCES, or leave it as it is if pulling is enough."
        )
        yield Finding(Verdict.WARNING, subject, text)


def _check_consumer(subject: str, feed: OdooFeed) -> Iterator[Finding]:
    """Say whom Odoo takes the receiver for, and what it does not get."""
    try:
        consumer = feed.consumer()
    except FeedError:  # an older addon, without figures
        return
    if consumer is None:
        return
    who = f"Odoo knows this receiver as the consumer {consumer.name} (id {consumer.id})"
    if not consumer.active:
        text = f"{who}, which is archived, and does not wait for it: see Webhooks → Consumers."
        yield Finding(Verdict.WARNING, subject, text)
        return
    yield Finding(Verdict.OK, subject, who)
    if consumer.left_out:
        text = (
            f"This receiver gets no events of {', '.join(consumer.left_out)}, because the Odoo "
            f"user {consumer.name} may not see them. If it should, add companies and models to "
            "that user."
        )
        yield Finding(Verdict.WARNING, subject, text)


def _check_instances(parts: Runtime, source: Source) -> Iterator[Finding]:
    conflict = parts.storage.instances.conflict(source.id)
    if conflict is None:
        return
    text = (
        f"Two databases claim this source: the instances {' and '.join(conflict.instances)}, since "
        f"{conflict.since:%Y-%m-%d %H:%M} UTC, and last at {conflict.last:%Y-%m-%d %H:%M} UTC. One "
        "of them is a copy: neutralise it, or press “This Is a Copy” under Settings → Webhooks "
        "there. That page also shows the instance of its database."
    )
    yield Finding(Verdict.WARNING, source.name or source.id, text)


def _check_system(parts: Runtime, system: System) -> Finding:
    try:
        api = OdooApi(system, parts.settings.feed_timeout)
        api.call("ir.model.data", "search_count", domain=[["id", "=", 0]])
    except OdooUnavailable as error:
        return Finding(Verdict.ERROR, system.name, str(error))
    except OdooRefused:
        text = (
            "The Odoo user of this api_key may not read external ids: add the user to the group "
            "'Access Rights' in Odoo."
        )
        return Finding(Verdict.ERROR, system.name, text)
    return Finding(Verdict.OK, system.name, "the external API answers")


def _check_progress(parts: Runtime, source: Source) -> Iterator[Finding]:
    subject = source.name or source.id
    for call in parts.storage.slow_calls.read(source.id):
        yield Finding(Verdict.WARNING, subject, f"{describe(call)}: find out why it hangs.")
    figures = parts.storage.figures.read(source.id)
    longest = 10 * parts.settings.pull_interval
    if figures.since_read is None or figures.since_read > longest:
        text = (
            f"This feed has not been read in the last {longest:.0f} s: start `bridgecore beat`, "
            "and see the logs of beat and of the worker."
        )
        yield Finding(Verdict.ERROR, subject, text)
        return
    if figures.dead:
        text = (
            f"The handlers kept failing for {figures.dead} events (dead letters): "
            "`bridgecore dead-letters list` shows why."
        )
        yield Finding(Verdict.WARNING, subject, text)
    text = f"the feed was read {figures.since_read:.0f} s ago, {figures.queued} events wait"
    if figures.queued:
        text += f", the oldest for {figures.behind:.0f} s"
    yield Finding(Verdict.OK, subject, text)
