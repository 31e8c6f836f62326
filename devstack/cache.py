"""Where things are kept, how a cached thing is known to be current, and who may build it.

Standard library only: the bootstrap imports this module.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("DEVSTACK_CACHE") or REPO / ".cache").absolute()

DEV_VENV = CACHE / "venvs" / "dev"
ODOO_VENV = CACHE / "venvs" / "odoo"

#: Not part of what a source tree means: caches, editor droppings.
_UNTRACKED = {"__pycache__", ".pytest_cache", ".hypothesis"}


def digest(*parts: str | bytes) -> str:
    """A short key of the given parts; their order and their boundaries count."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()[:16]


def tree_digest(folders: Iterable[Path], without: Iterable[str] = ()) -> str:
    """A short key of the names and contents of all files in the folders.

    `without` names subfolders that do not count.
    """
    skipped = _UNTRACKED.union(without)
    parts: list[str | bytes] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and path.suffix != ".pyc" and not skipped & set(inside.parts):
                parts += [folder.name, str(inside), path.read_bytes()]
    return digest(*parts)


def is_current(stamp: Path, key: str) -> bool:
    """Whether the thing that the stamp file stands for was completed with this key."""
    try:
        return stamp.read_text() == key
    except OSError:
        return False


def replace_folder(new: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one.

    A reader sees the old, nothing or the new, never a half-made one.
    """
    if target.exists():
        old = target.with_name(f"{target.name}.old-{os.getpid()}")
        target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.rename(target)


@contextmanager
def locked(name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other runs out of the building of one thing; the kernel frees the lock on any death."""
    folder = CACHE / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
