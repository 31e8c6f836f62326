"""Records that Odoo refuses are found, whatever Odoo says about whose fault a failure was."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bridgecore.config.databases import System
from bridgecore.copying.loading import Loader, Row
from bridgecore.copying.values import Field
from bridgecore.odoo.api import OdooApi

NAME = Field("name", "char", "")


class Target:
    """Answers `load` as Odoo does: all rows or none, and after a failure each row is tried alone.

    A row is refused for good if its name begins with `bad`. One that begins with `busy` fails while
    another call runs. If a name begins with `forbidden`, the call ends with an error for the whole.
    """

    def __init__(self) -> None:
        self.loaded: dict[str, int] = {}
        self.sizes: list[int] = []
        #: blame the first row of a failed call, too, as Odoo does after a failed check
        self.blames_first = False
        self._running = 0
        self._lock = threading.Lock()

    def load(self, rows: list[list[str]]) -> tuple[int, Any]:
        with self._lock:
            self._running += 1
            self.sizes.append(len(rows))
        time.sleep(0.005)  # so that calls overlap
        with self._lock:
            alone = self._running == 1
            self._running -= 1
            names = [name for _key, name in rows]
            if any(name.startswith("forbidden") for name in names):
                return 422, {"name": "odoo.exceptions.UserError", "message": "Forbidden."}
            errors = [
                {"type": "error", "record": number, "message": f"{name} is refused"}
                for number, name in enumerate(names)
                if name.startswith("bad") or (name.startswith("busy") and not alone)
            ]
            if errors and self.blames_first:
                errors.insert(0, {**errors[0], "record": 0})
            if not errors:
                self.loaded |= {key: len(self.loaded) + at for at, (key, _) in enumerate(rows, 1)}
            ids = [self.loaded[key] for key, _ in rows] if not errors else False
            return 200, {"ids": ids, "messages": errors}


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def loader(target: Target) -> Iterator[Loader]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = target.load(body["data"])
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        system = System.model_validate({"name": "office", "url": url, "api_key": "key"})
        yield Loader(OdooApi(system, (5, 5)), "res.partner", [NAME])
        server.shutdown()
        thread.join()


def rows(names: list[str]) -> list[Row]:
    return [Row(id_, f"key.{id_}", {"name": name}) for id_, name in enumerate(names)]


@pytest.mark.parametrize("blames_first", [False, True])
@pytest.mark.parametrize("kind", ["bad", "forbidden"])
def test_refused_records_are_found(
    target: Target, loader: Loader, kind: str, blames_first: bool
) -> None:
    target.blames_first = blames_first
    names = [f"{kind if n % 50 == 7 else 'good'} {n}" for n in range(200)]
    result = loader.create(rows(names), {})
    assert set(result.refused) == {7, 57, 107, 157}
    assert result.ids == {n: target.loaded[f"key.{n}"] for n in range(200) if n % 50 != 7}
    if kind == "bad":
        assert result.refused[57] == "bad 57 is refused"


def test_records_that_fail_together_only_are_loaded(target: Target, loader: Loader) -> None:
    result = loader.create(rows([f"busy {n}" for n in range(100)]), {})
    assert (len(result.ids), result.refused) == (100, {})


def test_all_are_refused(loader: Loader) -> None:
    assert len(loader.create(rows([f"bad {n}" for n in range(100)]), {}).refused) == 100


def test_the_more_are_refused_the_fewer_go_together(target: Target, loader: Loader) -> None:
    def largest_of_a_page(every: int) -> int:
        target.sizes.clear()
        loader.create(
            rows([f"{'bad' if n % every == 0 else 'good'} {n}" for n in range(1, 201)]), {}
        )
        return max(target.sizes[:4])

    for _ in range(3):
        few = largest_of_a_page(1000)
    for _ in range(6):
        many = largest_of_a_page(10)
    assert (few, many) == (50, pytest.approx(6, abs=3))


def test_rows_that_were_not_blamed_are_sent_again_in_few_calls(
    target: Target, loader: Loader
) -> None:
    page = [f"{'bad' if n % 100 == 7 else 'good'} {n}" for n in range(200)]
    result = loader.create(rows(page), {})
    assert (len(result.ids), set(result.refused)) == (198, {7, 107})
    # ten calls, of which two fail; their other 38 rows; the two blamed rows
    assert Counter(target.sizes) == {20: 10, 38: 1, 1: 2}


def test_nothing_to_load(target: Target, loader: Loader) -> None:
    assert loader.create([], {}).ids == loader.update([], {}).ids == {}
    assert target.sizes == []
