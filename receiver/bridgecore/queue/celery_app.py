"""The Celery application: queues, delivery guarantees, schedule."""

from collections.abc import Callable

from celery import Celery
from celery.schedules import crontab
from kombu import Exchange, Queue

from bridgecore.config.broker import broker_settings
from bridgecore.config.settings import Settings
from bridgecore.config.timeouts import CONNECT_TIMEOUT, RESULT_TIMEOUT
from bridgecore.queue.messages import (
    CLEAN_AUDIT,
    COPY,
    DEFAULT,
    FEED,
    FORGET,
    PULL,
    QUEUES,
    SYNC_DATA,
    WAKE,
)

#: seconds for which Redis keeps the result of a `sync_data` task
RESULT_RETENTION = 86400

#: seconds between two runs of the task that forgets old events
FORGET_INTERVAL = 60


class Application(Celery):
    """Celery's application, and what a worker may do when it pauses because its Redis is full."""

    #: forgets some of what is only kept for reading
    make_room: Callable[[], None] = staticmethod(lambda: None)


def create_celery(settings: Settings) -> Application:
    """Return the application for workers, for beat, and for processes that send messages."""
    results = settings.redis.for_celery()
    app = Application("bridgecore", include=["bridgecore.tasks"], set_as_current=True)
    app.conf.update(
        **broker_settings((settings.broker_url or settings.redis_url).get_secret_value()),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker without end
        broker_connection_timeout=CONNECT_TIMEOUT,
        # Only for `sync_data`, which users send themselves. `Messages` has its own second try.
        task_publish_retry=True,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
        # The default exchange (with the empty name) delivers to the queue that the routing key
        # names. With any other exchange, Celery would look up its bindings for each message.
        task_queues=[Queue(name, Exchange(""), routing_key=name) for name in QUEUES],
        task_default_queue=DEFAULT,
        task_routes={SYNC_DATA: {"queue": COPY}},  # here, because users send it without a queue
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        # Only `sync_data` has a result that its sender may want.
        task_ignore_result=True,
        result_backend=results.url,
        result_backend_transport_options={
            "global_keyprefix": "bridgecore:results:",
            **results.options,
        },
        redis_backend_use_ssl=results.tls,
        redis_socket_connect_timeout=CONNECT_TIMEOUT,
        redis_socket_timeout=RESULT_TIMEOUT,
        result_expires=RESULT_RETENTION,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=4,
        worker_consumer="bridgecore.queue.consumer:LastingConsumer",
        timezone="UTC",
        beat_scheduler="celery.beat:Scheduler",  # keeps no state in a file
        beat_schedule={
            "pull": _entry(PULL, settings.pull_interval, [None, False]),
            "reconcile": _entry(PULL, settings.reconcile_interval, [None, True]),
            "wake": _entry(WAKE, settings.wake_interval, []),
            "forget": _entry(FORGET, FORGET_INTERVAL, []),
            # At a fixed time: if beat is restarted every day, an interval of a day never ends.
            "clean-audit": {
                "task": CLEAN_AUDIT,
                "schedule": crontab(minute=17, hour=3),
                "options": {"queue": FEED},
            },
        },
    )
    return app


def _entry(task: str, interval: float, arguments: list[object]) -> dict[str, object]:
    # While workers are away, messages of one task must not pile up in the queue: each expires when
    # the next one is sent.
    options = {"queue": FEED, "expires": interval}
    return {"task": task, "schedule": interval, "args": arguments, "options": options}
