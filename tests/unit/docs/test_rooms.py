"""Each room of the receiver imports only from the rooms below it in docs/architecture.md."""

import ast
import re
from collections.abc import Iterator

import bridgecore
import pytest

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "receiver" / "bridgecore"


def rooms() -> list[str]:
    """The first column of the table of rooms, from top to bottom; a row may name several."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
    table = text[text.index("### Rooms") : text.index("## I want to change")]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return [
        name.removesuffix(".py").strip("/") for row in rows for name in re.findall(r"`(.*?)`", row)
    ]


def imports(room: str) -> Iterator[tuple[str, str]]:
    """File and room of each import of the package's own modules."""
    path = PACKAGE / room
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                # `from bridgecore import backoff` names the room last
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                if name.startswith("bridgecore."):
                    yield file.name, name.split(".")[1]


def test_the_table_has_every_room():
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert set(rooms()) == found - {"__init__", "__pycache__"}


@pytest.mark.parametrize("room", rooms())
def test_no_import_runs_upwards(room):
    order = rooms()
    above = order[: order.index(room)]
    assert [found for found in imports(room) if found[1] in above] == []


def test_what_handlers_import_is_public():
    assert bridgecore.__all__ == ["Event", "on", "run_async"]
