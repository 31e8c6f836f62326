"""Logs: one line per fact, `name=value` pairs, events by their idempotency key."""

import io
import logging
import sys

from celery import signals


def configure_logging(level: str) -> None:
    """Log to stderr, and write what handlers print line by line, also into a file or a pipe.

    A worker's processes end without writing what is left in their buffers.
    Celery's lines about each message and httptools' access lines say nothing about events,
    so they are shown only if they are warnings.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(process)d %(name)s %(message)s"
    )
    signals.setup_logging.connect(_leave_logging_alone)
    for noisy in ("celery.worker.strategy", "celery.app.trace", "celery.beat", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _leave_logging_alone(**_arguments: object) -> None:
    """That somebody listens to this signal is what keeps Celery from configuring logging."""
