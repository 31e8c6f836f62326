"""Looking at events, dead letters and feeds."""

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import click
import msgspec

from bridgecore.cli.common import data_dir, errors_in_words, start, the_source
from bridgecore.runtime import Runtime, runtime
from bridgecore.storage.history import Known

_source = click.option("--source", help="Id or name; needed if there are several.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")


def _line(known: Known) -> str:
    event, fields = known.event, known.fields
    return (
        f"{event.key:>36}  {fields['state']:9}  {event.event:6}  "
        f"{event.model},{event.record_id}  {', '.join(event.changed_fields)}"
    )


def _show(known: Known, as_json: bool) -> None:
    if as_json:
        # As the API answers. Only here: all other commands start faster without a web framework.
        from bridgecore.api.models import whole

        click.echo(whole(known).model_dump_json())
    else:
        click.echo(_line(known))


@click.group()
def events() -> None:
    """Events that were received."""


@events.command()
@_source
@click.option("-n", "count", default=10, show_default=True, help="So many earlier ones first.")
@click.option("--model", help="A name or a pattern such as 'sale.*'.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for more.")
@_as_json
@data_dir
@errors_in_words
def tail(source: str | None, count: int, model: str | None, follow: bool, as_json: bool) -> None:
    """Show events as they are handled."""
    from fnmatch import fnmatchcase

    parts = runtime()
    chosen = the_source(parts, source)
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
    """Events whose handlers kept failing.

    A KEY is <event id>@<timestamp>, as `list` and `events tail` show it, or the event id alone.
    """


_model = click.option("--model", help="All of a model, or of a pattern such as 'sale.*'.")


def _selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that select dead letters, see `_selected`."""
    command = click.option("--all", "everything", is_flag=True, help="All of the source.")(command)
    command = click.argument("keys", nargs=-1, metavar="[KEY]...")(_model(command))
    return _source(command)


@dead_letters.command("list")
@_source
@_model
@click.option("-n", "limit", default=50, show_default=True)
@_as_json
@data_dir
@errors_in_words
def list_(source: str | None, model: str | None, limit: int, as_json: bool) -> None:
    """Show them, newest first."""
    parts = runtime()
    for known in parts.storage.dead_letters.newest(the_source(parts, source), limit, model):
        if as_json:
            _show(known, as_json)
        else:
            reason = known.fields.get("error", "").rstrip().rpartition("\n")[2]
            click.echo(f"{known.event.key}  {known.event.record}  {reason}")


@dead_letters.command()
@_source
@click.argument("key")
@data_dir
@errors_in_words
def show(source: str | None, key: str) -> None:
    """Show one with its content and the traceback; with its whole KEY any event."""
    parts = runtime()
    chosen = the_source(parts, source)
    whole_key = key if "@" in key else _whole_keys(parts, chosen, [key])[0]
    for known in parts.storage.history.known([(chosen, whole_key)]):
        click.echo(msgspec.json.format(known.event.body).decode())
        click.echo(known.fields.get("error", "It has no error."))
        return
    raise click.ClickException("This event is not known, or not any more.")


@dead_letters.command()
@_selection
@data_dir
@errors_in_words
def replay(**selection: Any) -> None:
    """Queue them again for those handlers that failed."""
    parts, source, selected = _selected(**selection)
    click.echo(f"{len(parts.dead_letters.replay(source, selected, 'cli'))} queued again.")


@dead_letters.command()
@_selection
@data_dir
@errors_in_words
def discard(**selection: Any) -> None:
    """Take them off the list for good; in Odoo they stay failed."""
    parts, source, selected = _selected(**selection)
    click.echo(f"{len(parts.dead_letters.discard(source, selected, 'cli'))} discarded.")


def _selected(
    source: str | None, keys: tuple[str, ...], model: str | None, everything: bool
) -> tuple[Runtime, str, list[str]]:
    parts = runtime()
    chosen = the_source(parts, source)
    if model is not None or everything:
        return parts, chosen, parts.storage.dead_letters.keys(chosen, model)
    if not keys:
        raise click.UsageError("Say which: keys, --model or --all.")
    return parts, chosen, _whole_keys(parts, chosen, keys)


def _whole_keys(parts: Runtime, source: str, keys: Sequence[str]) -> list[str]:
    """Of dead letters that are named by their keys or, where no other has it, by the event id."""
    dead = parts.storage.dead_letters.keys(source)
    found = []
    for key in keys:
        matching = [known for known in dead if key in (known, known.partition("@")[0])]
        if not matching:
            raise click.ClickException(
                f"{key} is no dead letter: `bridgecore dead-letters list` shows the keys of all."
            )
        if len(matching) > 1:
            raise click.ClickException(f"{key} is several; name one: {', '.join(matching)}.")
        found += matching
    return found


@click.command()
@_source
@click.option("--reconcile", is_flag=True, help="Ask for everything unconfirmed.")
@data_dir
@errors_in_words
def sync(source: str | None, reconcile: bool) -> None:
    """Read a feed now, here and not in a worker."""
    parts = start()
    chosen = the_source(parts, source)
    with parts.odoo_health.watch(chosen):
        new = parts.pulling.pull(chosen, reconcile)
    facts: dict[str, Any] = {"source": chosen, "reconcile": reconcile}
    parts.storage.audit.note("cli", "pull.requested", **facts)
    if new is None:
        raise click.ClickException("It is being read already, by a worker.")
    click.echo(f"{new} new events.")


@click.command("sync-data")
@click.argument("source")
@click.argument("target")
@click.argument("model")
@click.option("--filters", default="[]", help="An Odoo domain as JSON.")
@click.option("--bidirectional", is_flag=True, help="And back, in the same run.")
@click.option("--field", "fields", multiple=True, help="Only these fields; by default all.")
@data_dir
@errors_in_words
def sync_data(
    source: str, target: str, model: str, filters: str, bidirectional: bool, fields: tuple[str, ...]
) -> None:
    """Copy records of MODEL from SOURCE to TARGET, names of BRIDGECORE_SYSTEMS."""
    try:
        domain = json.loads(filters)
    except ValueError:
        raise click.UsageError("--filters must be an Odoo domain as JSON.") from None
    start()
    from bridgecore import tasks

    result = tasks.sync_data(source, target, model, domain, bidirectional, list(fields) or None)
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))


COMMANDS = (events, dead_letters, sync, sync_data)
