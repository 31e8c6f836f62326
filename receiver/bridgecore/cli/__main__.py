"""Lets the supervisor start a role with `python -m bridgecore.cli`."""

from bridgecore.cli import main

if __name__ == "__main__":
    main()
