"""Configures logging.

A log line says what happened, followed by `name=value` pairs. It names an event by its idempotency
key.
"""

import io
import json
import logging
import sys
from datetime import UTC, datetime

from celery import signals


class JsonLines(logging.Formatter):
    """Formats each log line as a JSON object, for log collectors.

    The `name=value` pairs stay in the message, so that a message is the same in both formats.
    """

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

#: loggers that say nothing about events unless something is wrong
_NOISY = (
    "celery.worker.strategy",
    "celery.worker.request",
    "celery.app.trace",
    "celery.beat",
    "uvicorn.access",
)


def configure_logging(level: str, log_format: str) -> None:
    """Send the logs of this process to stderr.

    Also switch stdout to line buffering. A worker process ends without emptying its buffers, so
    lines that handlers print would otherwise get lost in a file or a pipe.

    Parameters:
        log_format: `text` or `json`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if log_format == "json" else TEXT)
    logging.basicConfig(level=level, handlers=[handler])
    logging.captureWarnings(True)
    signals.setup_logging.connect(_leave_logging_alone)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log_what_celery_prints() -> None:
    """Log the messages that a Celery worker prints when it ends.

    Celery prints them without its logging, and has no setting to change that.
    """
    from celery.apps import worker  # only workers need this import, and it is slow

    log = logging.getLogger(worker.__name__)
    worker.safe_say = lambda text, *_file: log.info(text)  # type: ignore[attr-defined]


def _leave_logging_alone(**_arguments: object) -> None:
    """Keep Celery from configuring logging: it does not if this signal has a receiver."""
