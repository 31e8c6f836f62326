"""The container image is built and its roles are started from it, with buildah.

Takes minutes the first time, so only with IMAGE=1: `IMAGE=1 make test-e2e ARGS='-k image'`.
No registry is needed: the base image is made of the machine's own Debian.
"""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.apt_sources import debian_main, machine_sources
from devstack.cache import CACHE, REPO
from devstack.process import Child, answers, free_port
from devstack.redis_server import redis_server
from tests.integration.fake_odoo import fake_odoo
from tests.support import eventually

BUILDAH, DEBOOTSTRAP = (shutil.which(tool) or "" for tool in ("buildah", "debootstrap"))
pytestmark = [
    pytest.mark.skipif(not os.environ.get("IMAGE"), reason="takes minutes: set IMAGE=1"),
    pytest.mark.skipif(not (BUILDAH and DEBOOTSTRAP), reason="needs buildah and debootstrap"),
]

FOLDER = CACHE / "image"
BASE, IMAGE, USER = "docker.io/library/python:3.12-slim", "localhost/bridgecore-test", "10001"
_BUILDAH = [BUILDAH, "--root", FOLDER / "storage", "--runroot", FOLDER / "run"]
_ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


def buildah(*words: str | Path) -> str:
    done = subprocess.run([*_BUILDAH, *words], env=_ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.strip()


def make_base() -> None:
    """An image of the name that the Dockerfile asks for; made once."""
    if buildah("images", "--quiet", "--filter", f"reference={BASE}"):
        return
    root, source = FOLDER / "base", debian_main(machine_sources())
    packages = "--include=python3,python3-venv,python3-pip,ca-certificates"
    subprocess.run(
        [
            shutil.which("debootstrap"),
            "--variant=minbase",
            packages,
            source.suite,
            root,
            source.uri,
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (root / "usr/bin/python").symlink_to("python3")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, root, "/")
    buildah("config", "--cmd", "python3", container)
    buildah("commit", "--quiet", "--rm", container, BASE)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_base()
    # what pip needs to reach the index on this machine
    mounts = [
        word
        for path in ("/etc/ssl/certs", "/etc/pip.conf")
        if Path(path).exists()
        for word in ("--volume", f"{path}:{path}:ro")
    ]
    buildah(
        "bud", "--pull-never", "--network=host", *mounts, "--format=docker",
        "--file", REPO / "receiver/Dockerfile", "--tag", IMAGE, REPO,
    )  # fmt: skip
    name = buildah("from", "--pull-never", IMAGE)
    yield name
    buildah("rm", name)


def command(container: str, settings: dict[str, str], *words: str) -> list[str | Path]:
    options = [word for item in settings.items() for word in ("--env", "=".join(item))]
    return [*_BUILDAH, "run", "--user", USER, *options, container, "--", *words]


def test_the_image_says_how_it_is_run(container: str) -> None:
    facts = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    assert facts["User"] == USER
    assert facts["Entrypoint"] == ["bridgecore"]
    assert facts["Healthcheck"]["Test"][0] == "CMD"


def test_all_roles_start_from_one_image_as_an_ordinary_user(container: str) -> None:
    with redis_server() as url, fake_odoo() as odoo, contextlib.ExitStack() as exits:
        feed, port = odoo.feed("image"), free_port()
        feed.events = [
            {
                "id": number,
                "model": "res.partner",
                "record_id": number,
                "event": "write",
                "timestamp": f"2026-01-31T12:00:00.{number:06}Z",
            }
            for number in range(1, 11)
        ]
        source = {"id": feed.source, "url": feed.url, "feed_key": feed.key}
        settings = {
            "BRIDGECORE_REDIS_URL": url,
            "BRIDGECORE_PORT": str(port),
            "BRIDGECORE_SOURCES": json.dumps([source]),
            "BRIDGECORE_PULL_INTERVAL": "1",
        }
        for role in ("api", "worker", "beat"):
            words = command(container, settings, "bridgecore", role)
            child = Child(f"image-{role}", words, environment=_ENVIRONMENT)
            exits.callback(stop, child)
        eventually(answers(f"http://127.0.0.1:{port}/health/ready"), timeout=60)
        eventually(lambda: sorted(feed.processed) == list(range(1, 11)), timeout=60)
        healthy = command(container, settings, *healthcheck())
        assert subprocess.run(healthy, env=_ENVIRONMENT).returncode == 0
        settings["BRIDGECORE_PORT"] = "1"
        ill = command(container, settings, *healthcheck())
        assert subprocess.run(ill, env=_ENVIRONMENT, stderr=subprocess.DEVNULL).returncode != 0


def healthcheck() -> list[str]:
    facts = json.loads(buildah("inspect", "--type", "image", IMAGE))["Docker"]["config"]
    words: list[str] = facts["Healthcheck"]["Test"][1:]
    return words


def stop(child: Child) -> None:
    """buildah does not pass a signal on, so the role itself is told."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(child.process.pid).children(recursive=True):
            if "bridgecore" in " ".join(process.cmdline()[:3]):
                process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.process.wait(40)
    child.stop()
