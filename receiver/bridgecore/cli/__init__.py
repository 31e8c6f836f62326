"""The command line: running the receiver, and looking after it."""

import click

from bridgecore.cli import doctor, operations, roles


@click.group()
@click.version_option(package_name="bridgecore-receiver")
def main() -> None:
    """Receives the changes of Odoo databases, each once and in order.

    Settings are environment variables that start with BRIDGECORE_.
    """


for command in (*roles.COMMANDS, *operations.COMMANDS, *doctor.COMMANDS):
    main.add_command(command)
