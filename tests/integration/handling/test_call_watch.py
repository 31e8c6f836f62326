"""A handler that runs for long is named while it is still running."""

import logging
import socket
import threading

import pytest
from bridgecore.watching.doctor import Verdict, examine
from bridgecore.watching.metrics import exposition
from bridgecore.watching.stuck import stuck_workers

from tests.support import eventually


@pytest.fixture
def hanging(make_parts, caplog):
    """A receiver whose worker `default` has one process, and that is in a handler that hangs."""
    caplog.set_level(logging.WARNING)
    parts = make_parts(slow_handler=0.1, stuck_after=0.5, default_concurrency=1)
    parts.worker = "default"
    released = threading.Event()

    def hangs(event):
        released.wait()

    parts.registry.on()(hangs)
    parts.push(parts.event(1), parts.event(2))
    thread = threading.Thread(target=parts.runner.run, args=(parts.source, ["res.partner:1"]))
    thread.start()
    yield parts, released
    released.set()
    thread.join()


def named(parts):
    (call,) = eventually(lambda: parts.storage.slow_calls.read(parts.source))
    return call


def test_log_metric_and_doctor_name_event_handler_and_age(hanging, caplog):
    parts, _released = hanging
    call = named(parts)
    key = parts.event(1).idempotency_key
    assert (call.event, call.handler.rpartition(".")[2]) == (key, "hangs")
    assert call.seconds >= 0.1

    (line,) = [line for line in caplog.messages if line.startswith("handler runs long")][:1]
    assert f"event={key} handler={call.handler} seconds=" in line

    labels = f'event="{key}",handler="{call.handler}",source="{parts.source}"'
    metrics = exposition(parts).decode()
    assert f"bridgecore_slow_handler_seconds{{{labels}}}" in metrics

    found = [finding for finding in examine(parts) if finding.subject == parts.source]
    (warning,) = [f.text for f in found if f.verdict is Verdict.WARNING and "hangs" in f.text]
    assert warning.startswith(f"{call.handler} has been handling event {key} for ")
    assert any("2 events wait" in finding.text for finding in found)


def test_a_worker_is_stuck_when_all_of_its_processes_are(hanging):
    parts, released = hanging
    (text,) = eventually(lambda: list(stuck_workers(parts)))
    assert text.startswith(f"All processes of the worker default on {socket.gethostname()} are")
    beginning = text.partition(" for ")[0]
    assert any(finding.text.startswith(beginning) for finding in examine(parts))
    assert list(stuck_workers(parts, "another-host")) == []

    parts.settings.default_concurrency = 2  # the other one may still handle events
    assert list(stuck_workers(parts)) == []

    released.set()
    eventually(lambda: not parts.storage.slow_calls.read(parts.source))


def test_the_probe_of_a_worker_fails_when_it_is_stuck(hanging, monkeypatch):
    from bridgecore.cli import check_worker
    from click.testing import CliRunner

    parts, _released = hanging
    monkeypatch.setattr(check_worker, "runtime", lambda: parts)
    monkeypatch.setattr("bridgecore.cli.common.runtime", lambda: parts)

    def probe():
        return CliRunner().invoke(check_worker.check_worker)

    failed = eventually(lambda: (found := probe()).exit_code and found)
    assert f"handling event {parts.event(1).idempotency_key}" in failed.output


def test_fast_handlers_are_not_noted(make_parts):
    parts = make_parts(slow_handler=0.1)
    parts.record_effects()
    parts.push(*(parts.event(n, record_id=n) for n in range(1, 20)))
    parts.deliver()
    assert parts.storage.slow_calls.read(parts.source) == []


def test_a_process_that_died_is_forgotten(hanging, monkeypatch):
    parts, _released = hanging
    named(parts)
    monkeypatch.setattr("bridgecore.storage.slow_calls.MAX_AGE", -1)
    assert parts.storage.slow_calls.read(parts.source) == []
