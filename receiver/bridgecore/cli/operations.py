"""The commands for events, dead letters, pulls and copies."""

import json
from collections.abc import Callable, Sequence
from copy import copy
from itertools import chain
from typing import Any

import click
import msgspec

from bridgecore.cli.common import data_dir, errors_as_messages, resolve_source, start
from bridgecore.handling.failures import summary_of
from bridgecore.runtime import Runtime, runtime
from bridgecore.storage.history import Known

_source = click.option("--source", help="Id or name of the source; needed if there are several.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


def _line(known: Known) -> str:
    event, fields = known.event, known.fields
    return (
        f"{event.key:>36}  {fields['state']:9}  {event.event:6}  "
        f"{event.model},{event.record_id}  {', '.join(event.changed_fields)}"
    )


def _show(known: Known, as_json: bool) -> None:
    if as_json:
        # The same JSON as the API's. Imported only here: the other commands start faster without a
        # web framework.
        from bridgecore.api.models import whole

        click.echo(whole(known).model_dump_json())
    else:
        click.echo(_line(known))


@click.group()
def events() -> None:
    """Look at received events."""


@events.command()
@_source
@click.option(
    "-n", "count", default=10, show_default=True, help="How many earlier events to show first."
)
@click.option("--model", help="Only events of this model, or of a pattern such as 'sale.*'.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for new events.")
@_as_json
@data_dir
@errors_as_messages
def tail(source: str | None, count: int, model: str | None, follow: bool, as_json: bool) -> None:
    """Show events as they are handled."""
    from fnmatch import fnmatchcase

    parts = runtime()
    chosen = resolve_source(parts, source)
    live = parts.storage.live
    earlier = live.newest(chosen, count)
    position = earlier[-1].position if earlier else live.end(chosen)
    later = live.follow(chosen, position) if follow else iter(())
    for entry in chain(earlier, later):
        if entry and (model is None or fnmatchcase(entry.record.partition(":")[0], model)):
            for known in parts.storage.history.known([(chosen, entry.key)]):
                _show(known, as_json)


@click.group("dead-letters")
def dead_letters() -> None:
    """Look after events that were given up, because their handlers kept failing.

    A KEY is <event id>@<timestamp>, as `list` and `events tail` show it. The event id alone is
    enough if only one dead letter has it.
    """


_model = click.option(
    "--model", help="Dead letters of this model, or of a pattern such as 'sale.*'."
)


def _selection(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with the options that `_selected` reads."""
    command = click.option(
        "--all", "everything", is_flag=True, help="All dead letters of the source."
    )(command)
    command = click.argument("keys", nargs=-1, metavar="[KEY]...")(_model(command))
    return _source(command)


@dead_letters.command("list")
@_source
@_model
@click.option("-n", "limit", default=50, show_default=True, help="How many to show at most.")
@_as_json
@data_dir
@errors_as_messages
def list_(source: str | None, model: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, newest first."""
    parts = runtime()
    for known in parts.storage.dead_letters.newest(resolve_source(parts, source), limit, model):
        if as_json:
            _show(known, as_json)
        else:
            why = summary_of(known.fields.get("error", ""))
            click.echo(f"{known.event.key}  {known.event.record}  {why}")


@dead_letters.command()
@_source
@click.argument("key")
@data_dir
@errors_as_messages
def show(source: str | None, key: str) -> None:
    """Show a dead letter: its content, and the traceback of the last attempt.

    With its whole KEY, the command shows any event.
    """
    parts = runtime()
    chosen = resolve_source(parts, source)
    whole_key = key if "@" in key else _whole_keys(parts, chosen, [key])[0]
    for known in parts.storage.history.known([(chosen, whole_key)]):
        click.echo(msgspec.json.format(known.event.body).decode())
        click.echo(known.fields.get("error", "No error is known for this event."))
        return
    raise click.ClickException(
        "This event is not known: it was never accepted, or it has been forgotten. "
        "`bridgecore dead-letters list` and `bridgecore events tail` show keys."
    )


@dead_letters.command()
@_selection
@data_dir
@errors_as_messages
def replay(**selection: Any) -> None:
    """Queue dead letters again. Handlers that succeeded are not called again."""
    parts, source, selected = _selected(**selection)
    click.echo(f"{len(parts.dead_letters.replay(source, selected, 'cli'))} queued again.")


@dead_letters.command()
@_selection
@data_dir
@errors_as_messages
def discard(**selection: Any) -> None:
    """Remove dead letters from the list for good. In Odoo the events stay failed."""
    parts, source, selected = _selected(**selection)
    click.echo(f"{len(parts.dead_letters.discard(source, selected, 'cli'))} discarded.")


def _selected(
    source: str | None, keys: tuple[str, ...], model: str | None, everything: bool
) -> tuple[Runtime, str, list[str]]:
    """Return the parts, the source, and the keys of the selected dead letters."""
    parts = runtime()
    chosen = resolve_source(parts, source)
    if model is not None or everything:
        return parts, chosen, parts.storage.dead_letters.keys(chosen, model)
    if not keys:
        raise click.UsageError("Say which dead letters: give their keys, --model or --all.")
    return parts, chosen, _whole_keys(parts, chosen, keys)


def _whole_keys(parts: Runtime, source: str, keys: Sequence[str]) -> list[str]:
    """Return the keys of dead letters that the user named by their keys or event ids.

    Raises:
        click.ClickException: no dead letter has this key or event id, or several have this id.
    """
    dead = parts.storage.dead_letters.keys(source)
    found = []
    for key in keys:
        matching = [known for known in dead if key in (known, known.partition("@")[0])]
        if not matching:
            raise click.ClickException(
                f"{key} is no dead letter: `bridgecore dead-letters list` shows all keys."
            )
        if len(matching) > 1:
            raise click.ClickException(
                f"Several dead letters have the event id {key}; name one: {', '.join(matching)}."
            )
        found += matching
    return found


@click.command()
@_source
@click.option(
    "--reconcile", is_flag=True, help="Pull all unconfirmed events, from the beginning of the feed."
)
@data_dir
@errors_as_messages
def pull(source: str | None, reconcile: bool) -> None:
    """Read a source's feed now, in this process and not in a worker."""
    parts = start()
    chosen = resolve_source(parts, source)
    with parts.odoo_health.watch(chosen):
        new = parts.pulling.pull(chosen, reconcile)
    facts: dict[str, Any] = {"source": chosen, "reconcile": reconcile}
    parts.storage.audit.note("cli", "pull.requested", **facts)
    if new is None:
        raise click.ClickException(
            "Another process is reading this feed at the moment. Try again in a few seconds."
        )
    click.echo(f"{new} new events.")


@click.command("sync-data")
@click.argument("source")
@click.argument("target")
@click.argument("model")
@click.option("--filters", default="[]", help="An Odoo domain as JSON.")
@click.option("--bidirectional", is_flag=True, help="Then also copy from TARGET to SOURCE.")
@click.option(
    "--field", "fields", multiple=True, help="Copy only this field; repeatable. By default all."
)
@data_dir
@errors_as_messages
def sync_data(
    source: str, target: str, model: str, filters: str, bidirectional: bool, fields: tuple[str, ...]
) -> None:
    """Copy records of MODEL from SOURCE to TARGET, two names from BRIDGECORE_SYSTEMS."""
    try:
        domain = json.loads(filters)
    except ValueError:
        raise click.UsageError(
            '--filters must be an Odoo domain as JSON, such as [["is_company", "=", true]].'
        ) from None
    start()
    from bridgecore import tasks

    result = tasks.sync_data(source, target, model, domain, bidirectional, list(fields) or None)
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))


#: `bridgecore sync` is the former name of `bridgecore pull`. It stays for scripts.
_sync = copy(pull)
_sync.name, _sync.hidden = "sync", True

COMMANDS = (events, dead_letters, pull, _sync, sync_data)
