"""The command `bridgecore doctor`."""

import click

from bridgecore.cli.common import data_dir, errors_as_messages
from bridgecore.runtime import runtime
from bridgecore.watching.doctor import Verdict, examine

_MARKS = {Verdict.OK: "ok     ", Verdict.WARNING: "warning", Verdict.ERROR: "ERROR  "}
_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.ERROR: "red"}


@click.command()
@data_dir
@errors_as_messages
def doctor() -> None:
    """Check settings, Redis, workers and each Odoo, and say what to do.

    The exit status is 1 if an ERROR keeps the receiver from working, else 0.
    """
    verdicts = []
    for finding in examine(runtime()):
        mark = click.style(_MARKS[finding.verdict], fg=_COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.subject}: {finding.text}")
        verdicts.append(finding.verdict)
    if Verdict.ERROR in verdicts:
        raise SystemExit(1)


COMMANDS = (doctor,)
