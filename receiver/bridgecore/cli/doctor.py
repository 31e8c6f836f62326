"""`bridgecore doctor`."""

import click

from bridgecore.cli.common import data_dir, errors_in_words
from bridgecore.runtime import runtime
from bridgecore.watching.doctor import Verdict, examine

_MARKS = {Verdict.GOOD: "ok     ", Verdict.DOUBTFUL: "warning", Verdict.BAD: "ERROR  "}
_COLOURS = {Verdict.GOOD: "green", Verdict.DOUBTFUL: "yellow", Verdict.BAD: "red"}


@click.command()
@data_dir
@errors_in_words
def doctor() -> None:
    """Check settings, Redis, workers, and each Odoo; say what to do.

    The exit status is 1 if something keeps the receiver from working.
    """
    verdicts = []
    for finding in examine(runtime()):
        mark = click.style(_MARKS[finding.verdict], fg=_COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.subject}: {finding.text}")
        verdicts.append(finding.verdict)
    if Verdict.BAD in verdicts:
        raise SystemExit(1)


COMMANDS = (doctor,)
