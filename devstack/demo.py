"""`make demo`: real changes in a real Odoo, followed on their way to the receiver and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from devstack import console
from devstack.console import say, styled
from devstack.journeys import Journey, Journeys, table
from devstack.json2 import Json2
from devstack.process import run_folder
from devstack.stack import Stack

#: Seconds within which every event must have been acknowledged.
DEADLINE = 60
#: Seconds between two looks.
_LOOK_EVERY = 0.15
#: Seconds between two changes: slow enough to be watched.
_PAUSE = 0.7


@dataclass(frozen=True)
class Change:
    """What was done in Odoo, and the event that it must leave."""

    title: str
    model: str
    record_id: int
    event: str

    def __str__(self) -> str:
        return f"{self.title} ({self.model},{self.record_id} {self.event})"


def changes(api: Json2) -> Iterator[Change]:
    """Do some ordinary work through Odoo's external API."""
    product = api.create("product.product", name="Oak table", list_price=420.0)
    customer = api.create("res.partner", name="Ada's Workshop", email="ada@example.com")
    yield Change("a new customer", "res.partner", customer, "create")
    line = (0, 0, {"product_id": product, "product_uom_qty": 2})
    order = api.create("sale.order", partner_id=customer, order_line=[line])
    yield Change("a quotation for her", "sale.order", order, "create")
    api.write("res.partner", customer, phone="+32 2 290 34 90")
    yield Change("her phone number", "res.partner", customer, "write")
    api.call("sale.order", "action_confirm", [order])
    yield Change("the quotation is confirmed", "sale.order", order, "write")
    contact = api.create("res.partner", name="Somebody else")
    yield Change("a contact by mistake", "res.partner", contact, "create")
    api.unlink("res.partner", contact)
    yield Change("the mistake is deleted", "res.partner", contact, "unlink")
    api.write("sale.order", order, client_order_ref="PO-7731")
    yield Change("her order number", "sale.order", order, "write")


def run(once: bool) -> int:
    """Show it; stay up afterwards unless `once`. Returns the exit code."""
    say(styled("BridgeCore: from a change in Odoo to your function, and back", "bold"))
    started = time.monotonic()
    with Stack() as stack:
        say(f"{styled('✓', 'green')} Everything runs after {time.monotonic() - started:.0f} s.")
        say()
        journeys = Journeys(stack)
        missing = _follow_changes(stack, journeys)
        say()
        for line in table(journeys):
            say(line)
        say()
        if missing:
            for problem in missing:
                say(styled(f"✗ {problem}", "red"))
            say(f"Logs: {run_folder()}")
        else:
            say(styled("✓ Every event arrived, was processed once and is acknowledged.", "green"))
        if not once:
            _stay_up(stack, journeys)
    return 1 if missing else 0


def _follow_changes(stack: Stack, journeys: Journeys) -> list[str]:
    """Make the changes and watch until all events are back; returns what is missing."""
    expected: list[Change] = []
    for change in changes(stack.api):
        expected.append(change)
        say(styled(change.title, "bold"))
        _watch(stack, journeys, lambda: False, _PAUSE)
    _watch(stack, journeys, lambda: not _missing(expected, journeys), DEADLINE)
    for line in journeys.update():
        say(line)
    return _missing(expected, journeys)


def _watch(stack: Stack, journeys: Journeys, enough: Callable[[], bool], seconds: float) -> None:
    """Tell of every new step until there is enough, or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        over = enough() or time.monotonic() >= deadline
        for line in journeys.update(settled=_LOOK_EVERY * 2):
            say(line)
        if over:
            return
        stack.check()
        time.sleep(_LOOK_EVERY)


def _missing(expected: list[Change], journeys: Journeys) -> list[str]:
    """A sentence for each change whose event did not make it all the way."""
    left = list(journeys)
    problems = []
    for change in expected:
        journey = next((j for j in left if _belongs(j, change)), None)
        if journey is None:
            problems.append(f"No event was recorded for: {change}")
        else:
            left.remove(journey)
    for journey in journeys:
        reached = [step for step, _ in journey.steps()]
        if reached[-1] != "acknowledged":
            reason = f": {journey.failure}" if journey.failure else ""
            problems.append(
                f"Event #{journey.event_id} ({journey.label}) got as far as '{reached[-1]}', "
                f"but was not acknowledged within {DEADLINE} s{reason}"
            )
    return problems


def _belongs(journey: Journey, change: Change) -> bool:
    return (journey.model, journey.record_id, journey.event) == (
        change.model,
        change.record_id,
        change.event,
    )


def _stay_up(stack: Stack, journeys: Journeys) -> None:
    """Show where everything is, and go on following what the user does."""
    odoo, receiver = stack.server.url, stack.receiver
    say()
    say(f"Odoo      {styled(odoo, 'cyan')}   login: admin, password: admin")
    say(f"          {styled(f'{odoo}/odoo/webhook-models', 'cyan')}   what is recorded")
    say(f"          {styled(f'{odoo}/odoo/webhook-events', 'cyan')}   the events")
    say(f"Receiver  {styled(f'{receiver.url}/docs', 'cyan')}")
    say(
        "          "
        f"curl -H 'Authorization: Bearer {receiver.admin_token}' {receiver.url}/api/v1/events"
    )
    say(f"Logs      {run_folder()}")
    say()
    say("Change a quotation or a contact in Odoo and watch it arrive. Ctrl-C stops everything.")
    say()
    try:
        _watch(stack, journeys, lambda: False, math.inf)
    except KeyboardInterrupt:
        print("\r\033[K" if console.TTY else "", end="")
