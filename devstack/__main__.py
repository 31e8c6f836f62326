"""`python -m devstack setup|demo|odoo|test-addon|test-odoo|test-versions|clean`."""

from __future__ import annotations

import argparse
import signal
import sys

from devstack import DevstackError, console


def setup(arguments: argparse.Namespace) -> int:
    """Fetch and build everything that the other commands need."""
    from devstack.databases import Databases
    from devstack.odoo import Odoo
    from devstack.postgres import postgres
    from devstack.versions import install_versions

    install_versions()
    with postgres() as server, Databases(Odoo(server)).temporary():
        console.say("Everything is set up.")
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Show real changes travel from Odoo to the receiver and back."""
    from devstack.demo import run

    return run(once=arguments.once)


def odoo(arguments: argparse.Namespace) -> int:
    """Start an Odoo with the addon, to play with; its database is dropped at the end."""
    from devstack.databases import Databases
    from devstack.odoo import Odoo
    from devstack.postgres import postgres

    with postgres() as server:
        installation = Odoo(server)
        with Databases(installation).temporary() as database:
            running = installation.serve(database)
            try:
                with console.step("Starting Odoo"):
                    running.wait_until_ready()
                console.say(f"{running.url}   login: admin, password: admin   Ctrl-C stops it")
                console.say(f"Log: {running.child.log_path}")
                running.child.process.wait()
            finally:
                running.stop()
    return 0


def test_addon(arguments: argparse.Namespace) -> int:
    """Run the addon's tests inside Odoo; what follows is passed to pytest."""
    from devstack.addon_tests import run_addon_tests

    return run_addon_tests(arguments.rest)


def test_odoo(arguments: argparse.Namespace) -> int:
    """Run Odoo's own tests with and without every model recorded."""
    from devstack.odoo_tests import run_odoo_tests

    return run_odoo_tests()


def test_versions(arguments: argparse.Namespace) -> int:
    """Run the receiver's tests on other Pythons and with the lowest versions of its libraries."""
    from devstack.versions import run_version_tests

    return run_version_tests()


def clean(arguments: argparse.Namespace) -> int:
    """Remove everything that was downloaded, built or run."""
    from devstack.cleaning import remove_cache

    remove_cache()
    return 0


COMMANDS = {
    "setup": setup,
    "demo": demo,
    "odoo": odoo,
    "test-addon": test_addon,
    "test-odoo": test_odoo,
    "test-versions": test_versions,
    "clean": clean,
}


def parse(words: list[str]) -> argparse.Namespace:
    """Read the command line; only `test-addon` takes words that are not ours."""
    parser = argparse.ArgumentParser(prog="python -m devstack")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        summary = (function.__doc__ or "").strip()
        # `test-addon --help` shows pytest's help.
        command = commands.add_parser(name, help=summary, add_help=name != "test-addon")
        if name == "demo":
            command.add_argument("--once", action="store_true", help="do not stay up")
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command != "test-addon":
        parser.error(f"unknown: {' '.join(rest)}")
    arguments.rest = rest
    return arguments


def main() -> int:
    arguments = parse(sys.argv[1:])
    # A polite kill and a closed terminal take the same way out as Ctrl-C, which a shell lets
    # background processes ignore.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        return COMMANDS[arguments.command](arguments)
    except DevstackError as error:
        console.say(console.styled(f"Error: {error}", "red"))
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
