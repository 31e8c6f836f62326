"""The command `bridgecore`: runs the receiver, and looks after it."""

import click

from bridgecore.cli import check_worker, doctor, operations, roles


@click.group()
@click.version_option(package_name="bridgecore-receiver")
def main() -> None:
    """Receive the changes of Odoo databases, each once and in order.

    Settings are environment variables that start with BRIDGECORE_; docs/settings.md lists them.
    """


for command in (*roles.COMMANDS, *operations.COMMANDS, *doctor.COMMANDS, *check_worker.COMMANDS):
    main.add_command(command)
