"""Gets hold of Odoo 19.0: Debian's package, unpacked below the cache, or a tree of your own."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from devstack import DevstackError, console
from devstack.cache import CACHE, locked, replace_folder
from devstack.debian import Apt, unpack

SERIES = "19.0"

#: The package, and the packages that its web assets are links into. The last two come from a
#: release in which their files still have the names that the links point to.
_PACKAGES = (
    ("odoo-19", "sid"),
    ("libjs-jquery", "sid"),
    ("libjs-jquery-form", "sid"),
    ("libjs-underscore", "sid"),
    ("fonts-roboto-unhinted", "sid"),
    ("fonts-montserrat", "sid"),
    ("fonts-ocr-b", "sid"),
    ("fonts-font-awesome", "bookworm"),
    ("fonts-inconsolata", "bookworm"),
)
#: Translations are two thirds of the package and nothing here loads a language.
_EXCLUDE = ("*.po", "*.pot", "./usr/share/doc")


@dataclass(frozen=True)
class OdooSource:
    """A source tree of Odoo that servers are started from."""

    root: Path
    #: The script to run: `python <command> server …`. With prefork workers, `python -m odoo`
    #: would start itself again and again instead of its gevent process.
    command: Path
    #: What PYTHONPATH must name for `import odoo`
    python_path: Path
    #: Folders of addons
    addons: tuple[Path, ...]
    #: Names the exact state of the source, as part of cache keys
    version: str


def odoo_source() -> OdooSource:
    """The source tree to use; downloads it on first use unless ODOO_PATH names one."""
    given = os.environ.get("ODOO_PATH")
    if given:
        return read_tree(Path(given).expanduser().absolute())
    target = CACHE / "odoo"
    if not (target / "devstack-version").exists():
        with locked("odoo-source", lambda: console.say("Another run is fetching Odoo; waiting.")):
            if not (target / "devstack-version").exists():
                _fetch(target)
    return read_tree(target)


def read_tree(root: Path) -> OdooSource:
    """Recognise a source tree: a git checkout, or an unpacked package."""
    addons: tuple[Path, ...]
    packaged = root / "usr/lib/python3/dist-packages"
    if (root / "odoo-bin").is_file():
        command, python_path = root / "odoo-bin", root
        addons = (root / "odoo/addons", root / "addons")
    elif (packaged / "odoo").is_dir():
        command, python_path = root / "usr/bin/odoo", packaged
        addons = (packaged / "odoo/addons",)
    else:
        raise DevstackError(
            f"ODOO_PATH={root} is no source tree of Odoo: there is neither an odoo-bin in it "
            "nor a usr/lib/python3/dist-packages/odoo."
        )
    release = python_path / "odoo/release.py"
    match = re.search(r"^version_info = \((\d+), (\d+)", release.read_text(), re.MULTILINE)
    series = f"{match[1]}.{match[2]}" if match else "an unknown version"
    if series != SERIES:
        raise DevstackError(f"ODOO_PATH={root} is Odoo {series}, but {SERIES} is needed.")
    return OdooSource(root, command, python_path, addons, _state(root))


def _state(root: Path) -> str:
    """Tell one state of a source tree from another, as cheaply as its kind allows."""
    version_file = root / "devstack-version"
    if version_file.exists():
        return version_file.read_text()
    head = root / ".git/HEAD"
    if head.is_file():
        text = head.read_text().strip()
        branch = root / ".git" / text.removeprefix("ref: ")
        return f"{root} {branch.read_text().strip() if branch.is_file() else text}"
    return str(root)


def _fetch(target: Path) -> None:
    apt = Apt(sorted({suite for _, suite in _PACKAGES}))
    with console.step("Reading Debian's package lists"):
        apt.update()
    with console.step(f"Downloading Odoo {SERIES} and its web assets (130 MB)") as step:
        files = apt.download(_PACKAGES)
        version = files[0].name.split("_")[1]
        step.note = version
    building = target.with_name(f"{target.name}.new-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    try:
        with console.step("Unpacking Odoo") as step:
            for file in files:
                step.note = file.name.split("_")[0]
                unpack(file, building, _EXCLUDE)
            step.note = ""
            broken = [
                path for path in building.rglob("*") if path.is_symlink() and not path.exists()
            ]
        if broken:
            names = ", ".join(sorted({path.name for path in broken})[:5])
            console.say(
                console.styled(f"  {len(broken)} web assets are missing: {names}", "yellow")
            )
        (building / "devstack-version").write_text(version)
        replace_folder(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    # 130 MB that are of no use any more
    for file in files:
        file.unlink(missing_ok=True)
