"""Logs: one line per fact, `name=value` pairs, events by their idempotency key."""

import io
import json
import logging
import sys
from datetime import UTC, datetime

from celery import signals


class JsonLines(logging.Formatter):
    """Each line an object, for log collectors. What is written as `name=value` stays in the text:
    the same line means the same in both formats."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


TEXT = logging.Formatter("%(asctime)s %(levelname)s %(process)d %(name)s %(message)s")


_NOISY = (
    "celery.worker.strategy",
    "celery.worker.request",
    "celery.app.trace",
    "celery.beat",
    "uvicorn.access",
)


def configure_logging(level: str, form: str) -> None:
    """Log to stderr, and write what handlers print line by line, also into a file or a pipe.

    A worker's processes end without writing what is left in their buffers.
    Celery's lines about each message and httptools' access lines say nothing about events,
    so they are shown only if they are warnings.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TEXT)
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    signals.setup_logging.connect(_leave_logging_alone)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log_what_celery_prints() -> None:
    """Have a worker log that it ends; it writes this past all logging, and has no switch for it."""
    from celery.apps import worker  # only a worker needs it, and it takes time

    log = logging.getLogger(worker.__name__)
    worker.safe_say = lambda text, *_file: log.info(text)  # type: ignore[attr-defined]


def _leave_logging_alone(**_arguments: object) -> None:
    """That somebody listens to this signal is what keeps Celery from configuring logging."""
