"""Who tells an endpoint about changed contacts, and how what arrives is to be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from devstack.databases import ADDON

MODEL = "res.partner"
#: The field that tells the events of one record apart
FIELD = "function"

#: A contact's id and the value of its field, as an event tells them
Told = tuple[int, str]


@dataclass(frozen=True)
class Variant:
    """Somebody who sends webhooks, and the server that does it."""

    key: str
    title: str
    modules: tuple[str, ...] = ("bench_push",)
    #: 0: threads; more: prefork, as in production
    workers: int = 0
    #: more options of Odoo's configuration file
    options: Mapping[str, object] = field(default_factory=dict)
    #: what comes behind the options in that file
    sections: str = ""
    #: a query that finds something when whoever sends is ready, if that is later than the server
    ready: str = ""
    #: Whether what could not be sent waits, so that there is a backlog to get through
    keeps: bool = False

    def prepare(self, env: Any, url: str) -> None:
        """Have contacts told to the endpoint. Runs inside Odoo."""

    def read(self, body: bytes) -> list[Told]:
        """The events of a request, in order."""
        values = json.loads(body)
        return [(values["_id"], values[FIELD])]


class Ours(Variant):
    """This addon with its default settings."""

    def prepare(self, env: Any, url: str) -> None:
        values: dict[str, object] = {"name": "Endpoint", "url": url}
        if "allow_private_network" in env["webhook.subscriber"]:
            values["allow_private_network"] = True
        subscriber = env["webhook.subscriber"].create(values)
        env["webhook.config"].create(
            {
                "model_id": env["ir.model"]._get_id(MODEL),
                "priority": "high",
                "instant_send": True,
                "subscriber_ids": [(6, 0, subscriber.ids)],
            }
        )

    def read(self, body: bytes) -> list[Told]:
        message = json.loads(body)
        events: Sequence[dict[str, Any]] = message.get("events", [message])
        return [(event["record_id"], event["payload"][FIELD]) for event in events]


class Erpdoo(Variant):
    """A program that reads the database's changes; Odoo knows nothing of it."""

    def read(self, body: bytes) -> list[Told]:
        event = json.loads(body)
        return [(event["record_id"], event["record"][FIELD])]


class Automation(Variant):
    """Odoo's own automation rule with a webhook as its action."""

    def prepare(self, env: Any, url: str) -> None:
        model_id = env["ir.model"]._get_id(MODEL)
        rule = env["base.automation"].create(
            {"name": "Tell", "model_id": model_id, "trigger": "on_create"}
        )
        sent = ("name", "email", "phone", "street", "zip", "city", FIELD, "comment")
        env["ir.actions.server"].create(
            {
                "name": "Tell",
                "model_id": model_id,
                "state": "webhook",
                "webhook_url": url,
                "webhook_field_ids": [
                    (6, 0, [env["ir.model.fields"]._get(MODEL, name).id for name in sent])
                ],
                "base_automation_id": rule.id,
                "usage": "base_automation",
            }
        )


class QueueJob(Variant):
    """A job for every new contact, which posts it."""

    def prepare(self, env: Any, url: str) -> None:
        env["ir.config_parameter"].set_param("bench_push.url", url)


_OURS = (ADDON, "bench_push")
OURS = Ours("ours", "this addon", _OURS, keeps=True)
OURS_PREFORK = Ours("ours-prefork", "this, prefork", _OURS, workers=2, keeps=True)
ERPDOO = Erpdoo("erpdoo", "erpdoo", keeps=True)
AUTOMATION = Automation("automation", "Odoo's webhook", ("base_automation", "bench_push"))
# As its manual asks for: prefork, and as many jobs at once as there are workers.
QUEUE_JOB = QueueJob(
    "queue_job",
    "queue_job, prefork",
    ("queue_job", "bench_push", "bench_push_queue_job"),
    workers=2,
    options={"server_wide_modules": "base,web,queue_job"},
    sections="[queue_job]\nchannels = root:2\n",
    ready="""
        SELECT FROM pg_locks  -- its runner takes a lock in each database that it serves
         WHERE locktype = 'advisory' AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """,
)

VARIANTS = {v.key: v for v in (OURS, OURS_PREFORK, ERPDOO, AUTOMATION, QUEUE_JOB)}
#: Those that are measured against the peers
OWN = (OURS, OURS_PREFORK)
