"""Fetches packages from the machine's own Debian mirror without installing them.

A private apt configuration keeps its lists and state in the cache folder, so neither root nor a
change to the machine is needed. Standard library only: the bootstrap imports this module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from devstack import DevstackError
from devstack.apt_sources import debian_main, machine_sources, source_text
from devstack.cache import CACHE


class Apt:
    """A private apt that knows some suites of Debian, for example `sid`.

    The suite `""` is the machine's own release.
    """

    def __init__(self, suites: Sequence[str]) -> None:
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise DevstackError(
                "This machine has no apt. Set ODOO_PATH to a source tree of Odoo 19.0 "
                "(with odoo-bin, odoo/ and addons/), and install your system's package "
                "for Python's venv module."
            )
        source = debian_main(machine_sources())
        self._own_suite = source.suite
        self._folder = CACHE / "apt"
        for name in ("lists/partial", "cache/archives/partial", "debs"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        architecture = _run(["dpkg", "--print-architecture"]).strip()
        sources_file = self._folder / "debian.sources"
        wanted = [self._suite(suite) for suite in suites]
        sources_file.write_text(source_text(source, wanted, architecture))
        self._config = self._folder / "apt.conf"
        self._config.write_text(
            f'Dir::State "{self._folder}";\n'
            f'Dir::State::Lists "{self._folder}/lists";\n'
            f'Dir::State::status "/dev/null";\n'
            f'Dir::Cache "{self._folder}/cache";\n'
            f'Dir::Etc::sourcelist "{sources_file}";\n'
            'Dir::Etc::sourceparts "/dev/null";\n'
            'Dir::Etc::preferencesparts "/dev/null";\n'
            'Acquire::Languages "none";\n'
            # The cache folder may be closed to apt's own unprivileged user.
            'APT::Sandbox::User "root";\n'
            # Hooks of the machine act on its own package lists, not on these.
            "#clear APT::Update::Pre-Invoke;\n"
            "#clear APT::Update::Post-Invoke;\n"
            "#clear APT::Update::Post-Invoke-Success;\n"
        )

    def _suite(self, suite: str) -> str:
        return suite or self._own_suite

    def update(self) -> None:
        """Fetch the package lists."""
        self._apt("update", "--error-on=any")

    def download(self, packages: Sequence[tuple[str, str]]) -> list[Path]:
        """Fetch packages, given as (name, suite), and return their files."""
        folder = self._folder / "debs"
        names = [f"{name}/{self._suite(suite)}" for name, suite in packages]
        self._apt("download", *names, cwd=folder)
        return [_newest(folder, name) for name, _ in packages]

    def _apt(self, *arguments: str, cwd: Path | None = None) -> str:
        return _run(["apt-get", "-q", "-c", str(self._config), *arguments], cwd=cwd)


def unpack(package: Path, folder: Path, exclude: Sequence[str] = ()) -> None:
    """Unpack a package file below a folder, leaving out what matches the patterns."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE
    ) as archive:
        _run(
            ["tar", "-x", "--no-same-owner", "-C", str(folder)]
            + [f"--exclude={pattern}" for pattern in exclude],
            stdin=archive.stdout,
        )
    if archive.returncode:
        package.unlink(missing_ok=True)
        raise DevstackError(f"The package {package.name} is damaged; run the command again.")


def _newest(folder: Path, name: str) -> Path:
    found = sorted(folder.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise DevstackError(f"apt did not deliver the package {name}.")
    return found[-1]


def _run(
    command: list[str], cwd: Path | None = None, stdin: IO[bytes] | int | None = subprocess.DEVNULL
) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
        words = [word for word in command if not word.startswith(("-", "/"))]
        raise DevstackError(f"`{' '.join(words)}` failed:\n{tail}")
    return done.stdout
