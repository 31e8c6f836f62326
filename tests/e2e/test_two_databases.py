"""A copy that somebody calls the original: both databases push to one receiver as one source."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from devstack.json2 import Json2
from devstack.odoo import Server
from devstack.stack import Stack
from tests.e2e.test_whole_path import PATIENCE, all_confirmed
from tests.support import eventually


@contextmanager
def serving(stack: Stack, database: str, port: int | None = None) -> Iterator[Server]:
    server = stack.odoo.serve(database, port=port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


def warned(stack: Stack) -> bool:
    text = f"two databases claim one source source={stack.source}"
    return any(child.logged(text)() for child in stack.receiver.children.values())


def moved(stack: Stack) -> bool:
    return any(child.logged("database moved")() for child in stack.receiver.children.values())


def test_the_receiver_notices_both() -> None:
    with Stack(handlers="tests.e2e.handlers", pull_interval=1) as stack:
        customer = stack.api.create("res.partner", name="Ada")
        stack.api.create("sale.order", partner_id=customer)
        all_confirmed(stack, "res.partner", customer)

        stack.server.stop()  # PostgreSQL copies only a database that nobody uses
        copy = f"{stack.database}_copy"
        stack.postgres.clone(stack.database, copy)
        port = urlsplit(stack.server.url).port
        try:
            with serving(stack, stack.database, port) as again, serving(stack, copy) as other:
                stack.server = again
                there = Json2(other.url, copy, stack.api.api_key)
                settings = there.create("res.config.settings")
                there.call("res.config.settings", "action_webhook_original", [settings])
                there.create("sale.order", partner_id=customer)
                eventually(lambda: warned(stack), PATIENCE)
                assert moved(stack)
                # the receiver goes on with the original
                order = stack.api.create("sale.order", partner_id=customer)
                all_confirmed(stack, "sale.order", order)
        finally:
            stack.postgres.drop(copy)
