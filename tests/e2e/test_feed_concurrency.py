"""Readers, confirmations, devices and changes at the same time, on a server with processes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from devstack.feed_server import FeedServer
from devstack.json2 import Json2
from tests.e2e.conftest import Run

WRITES = 25
WRITERS = 2
#: Changes of one transaction
BULK = 4


def test_nothing_fails_and_every_reader_sees_every_event_once(feed: FeedServer) -> None:
    written = threading.Event()
    api = Json2(feed.server.url, feed.database, feed.keys["admin"])
    start = feed.client().call("pull")["last_id"]

    def write(writer: int) -> list[int]:
        made: list[int] = []
        for number in range(WRITES):
            names = [{"name": f"{writer}-{number}-{i}"} for i in range(BULK)]
            ids = api.call("res.partner", "create", vals_list=names)
            made += ids
            api.call("res.partner", "write", ids[:1], vals={"city": "Rome"})
        return made

    def until_written(step: Callable[[], bool]) -> None:
        """Go on until all is written, and nothing is left to do."""
        while True:
            last = written.is_set()
            if not step() and last:
                return

    def follow(limit: int, key: str) -> list[int]:
        client, seen, cursor = feed.client(key), [], start

        def step() -> bool:
            nonlocal cursor
            page = client.call("pull", {"last_event_id": cursor, "limit": limit})
            assert page["last_id"] >= cursor
            assert "cursor_expired" not in page
            seen.extend(event["id"] for event in page["events"])
            cursor = page["last_id"]
            sync = {"device_id": "shared", "last_event_id": cursor, "events_synced": page["count"]}
            client.call("sync-state/update", sync)
            return page["count"] > 0

        until_written(step)
        return seen

    def confirm(limit: int) -> None:
        """Several confirm the same events, and report the same failures."""
        client = feed.client()

        def step() -> bool:
            page = client.call("pull", {"include_processed": False, "limit": limit})
            ids = [event["id"] for event in page["events"]]
            failed = [{"id": id_, "error": "odd"} for id_ in ids if id_ % 10 == 0]
            body = {"event_ids": [id_ for id_ in ids if id_ % 10], "failed": failed}
            assert client.call("mark-processed", body)["unknown"] == []
            client.call("stats", get=True)
            return bool(ids)

        until_written(step)

    with ThreadPoolExecutor(16) as threads:
        readers = [
            threads.submit(follow, limit, key)
            for limit, key in ((7, "consumer"), (100, "consumer"), (1000, "receiver"))
        ]
        confirmers = [threads.submit(confirm, limit) for limit in (50, 1000)]
        writers = [threads.submit(write, number) for number in range(WRITERS)]
        try:
            partners = {id_ for writer in writers for id_ in writer.result(timeout=120)}
        finally:
            written.set()
        seen = [reader.result(timeout=60) for reader in readers]
        for confirmer in confirmers:
            confirmer.result(timeout=60)

    with feed.postgres.connect(feed.database) as cursor:
        cursor.execute(
            "SELECT e.id, record_id, is_processed, failed_at IS NOT NULL"
            "  FROM update_webhook e JOIN webhook_feed_position p ON p.event_id = e.id"
            " WHERE p.id > %s ORDER BY p.id",
            [start],
        )
        rows = cursor.fetchall()
        cursor.execute("SELECT max(last_event_id) FROM user_sync_state")
        ((furthest,),) = cursor.fetchall()
    ours = [row for row in rows if row[1] in partners]
    assert len(ours) == WRITERS * WRITES * (BULK + 1)
    for one in seen:
        assert one == [row[0] for row in rows]
    assert [row for row in rows if not row[2]] == []
    assert [row for row in rows if row[3] != (row[0] % 10 == 0)] == []
    assert furthest == feed.client().call("pull", {"last_event_id": furthest})["last_id"]
    stats = feed.client().call("stats", get=True)
    assert (stats["backlog"], stats["failed"]) == (0, len([row for row in rows if row[3]]))
    log = feed.server.child.log_path.read_text(errors="replace")
    assert "deadlock" not in log
    assert " ERROR " not in log


_OUT_OF_ORDER = """
import threading

recorded = env["webhook.config"]
model = env["ir.model"]._get("res.partner")
if not recorded.search([("model_id", "=", model.id)]):
    recorded.create({"model_id": model.id})
env.cr.commit()
feed = env["update.webhook"]

idle = env.registry.cursor()  # an unrelated transaction that stays open all the time
idle.execute("CREATE TABLE IF NOT EXISTS idle_test (id int); SELECT pg_current_xact_id()")

def change(name):
    cr = env.registry.cursor()
    env(cr=cr)["res.partner"].create({"name": name})
    cr.flush()  # the event has its id, and is not committed
    return cr

def pull(cursor):
    page = feed.pull_events(cursor)
    return [event["payload"]["name"] for event in page["events"]], page["last_id"]

cursor, seen = pull(0)[1], []
first, second, third = change("first"), change("second"), change("third")
for writer in (third, first, second):
    writer.commit()
    writer.close()
    names, cursor = pull(cursor)
    seen.append(names)
seen.append(pull(cursor)[0])
idle.rollback()
idle.close()
result = {"seen": seen}
"""


def test_commits_out_of_order_beside_a_transaction_that_stays_open(run: Run) -> None:
    assert run(_OUT_OF_ORDER)["seen"] == [["third"], ["first"], ["second"], []]
