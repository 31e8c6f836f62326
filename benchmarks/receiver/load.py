"""Sends requests over several connections as fast as they are answered; a process of its own.

`python -m benchmarks.receiver.load <port> <path> <first event> <events> <per request> <senders>`
prints a JSON line: requests a second, and what was answered.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator

import uvloop

from benchmarks.receiver.events import bodies

SECRET = b"benchmark" * 4


def request(path: str, body: bytes) -> bytes:
    """With everything that Odoo's push has, its signature as well."""
    moment = str(int(time.time()))
    message = hashlib.sha256(body).hexdigest()[:32]
    digest = hmac.new(SECRET, f"{message}.{moment}.".encode() + body, hashlib.sha256).digest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nwebhook-id: {message}\r\nwebhook-timestamp: {moment}\r\n"
        f"webhook-signature: v1,{base64.b64encode(digest).decode()}\r\n\r\n"
    )
    return head.encode() + body


async def sender(port: int, requests: Iterator[bytes], answers: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in requests:
        writer.write(each)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        answers[head.split(b" ", 2)[1].decode()] += 1
    writer.close()


async def main(port: int, path: str, first: int, events: int, size: int, connections: int) -> None:
    requests = [request(path, body) for body in bodies(first, events, size)]
    answers: Counter[str] = Counter()
    waiting = iter(requests)
    started = time.time()
    await asyncio.gather(*(sender(port, waiting, answers) for _ in range(connections)))
    seconds = time.time() - started
    result = {"started": started, "seconds": seconds, "rate": len(requests) / seconds}
    print(json.dumps({**result, "answers": answers}))


if __name__ == "__main__":
    port, path, *numbers = sys.argv[1:]
    first, events, size, connections = map(int, numbers)
    uvloop.run(main(int(port), path, first, events, size, connections))
