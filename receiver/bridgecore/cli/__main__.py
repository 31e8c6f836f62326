"""`python -m bridgecore.cli`: what the supervisor starts."""

from bridgecore.cli import main

if __name__ == "__main__":
    main()
