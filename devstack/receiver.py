"""Starts the receiver's roles as processes of their own, as in production."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from devstack import DevstackError
from devstack.cache import CACHE, REPO
from devstack.process import Child, answers, free_port, run_folder

ROLES = ("api", "worker", "beat")
#: what `bridgecore worker` starts
WORKERS = ("high", "default", "feed")


@dataclass
class Receiver:
    """A receiver; its roles can be stopped and started one by one."""

    redis_url: str
    #: Its settings, `BRIDGECORE_…`, beyond those that are filled in here
    settings: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    admin_token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def push_url(self) -> str:
        return f"{self.url}/api/v1/webhooks/receive"

    def start(self, *roles: str) -> None:
        """Start roles (all by default) and wait until they are ready."""
        started = roles or ROLES
        self.launch(*started)
        self.wait_until_ready(*started)

    def launch(self, *roles: str) -> None:
        """Start roles without waiting for them."""
        for role in roles:
            command: list[str | Path] = [Path(sys.executable).with_name("bridgecore"), role]
            child = Child(f"receiver-{role}", command, environment=self._environment(),
                          cwd=run_folder())  # fmt: skip
            self.children[role] = child

    def wait_until_ready(self, *roles: str) -> None:
        """Wait until roles that were launched do their work."""
        for role in roles:
            child = self.children[role]
            if role == "api":
                child.wait_until(answers(f"{self.url}/health/ready"), timeout=60)
            elif role == "worker":
                for worker in WORKERS:  # they begin together, and are not ready together
                    child.wait_until(child.logged_like(rf" {worker}-\d+@\S+ ready\."), timeout=60)

    def stop(self, *roles: str) -> None:
        """Stop roles (all by default), those that bring in events first."""
        for role in roles or ("beat", "api", "worker"):
            child = self.children.pop(role, None)
            if child:
                child.stop()

    def check(self) -> None:
        """Raise if a role that was started has died."""
        for child in self.children.values():
            if not child.alive():
                raise child.error(f"ended with exit code {child.process.returncode}")

    def has_read_feeds(self) -> bool:
        """Whether it has read every feed to its end; before that it refuses pushes."""
        response = requests.get(
            f"{self.url}/api/v1/sync-states",
            headers={"Authorization": f"Bearer {self.admin_token}"},
            timeout=10,
        )
        return response.ok and all(s["feed_read_at"] for s in response.json()["sources"])

    def events(self, limit: int = 200) -> list[dict[str, Any]]:
        """What it has accepted, newest first, and how far each event got."""
        try:
            response = requests.get(
                f"{self.url}/api/v1/events",
                params={"limit": limit},
                headers={"Authorization": f"Bearer {self.admin_token}"},
                timeout=10,
            )
            response.raise_for_status()
        except requests.RequestException as error:
            self.check()
            raise DevstackError(f"The receiver does not list its events: {error}") from error
        events: list[dict[str, Any]] = response.json()["events"]
        return events

    def _environment(self) -> dict[str, str]:
        # The caller's own settings must not leak into a receiver that is tested.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BRIDGECORE_", "PYTHON")) and name != "REDIS_URL"
        }
        return {
            **kept,
            # of this tree, also if another one is installed
            "PYTHONPATH": os.pathsep.join((str(REPO), str(REPO / "receiver"))),
            "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"),
            "PYTHONUNBUFFERED": "1",
            "BRIDGECORE_REDIS_URL": self.redis_url,
            "BRIDGECORE_HOST": "127.0.0.1",
            "BRIDGECORE_PORT": str(self.port),
            "BRIDGECORE_ADMIN_TOKEN": self.admin_token,
            **self.settings,
        }
