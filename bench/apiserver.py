"""The embedded API server over HTTP: reads, writes, lists, watches, and what many objects cost.

The server has one core to itself where there are two, this process, the client, another. Objects are
ConfigMaps of 2 KB. Without TLS unless a figure says otherwise. Processor time is that of the server.
"""

from __future__ import annotations

import asyncio
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from bench.figures import Figure, emit, spread
from bench.http import Connection, request
from bench.served import CLIENT_CORE, TOKEN, Process, pin, raise_file_limit, serving
from echelon.apiserver import Database, summarize
from echelon.cli.loop import run

OBJECT_BYTES = 2048
CLIENTS = 16
ROUNDS = 7
SECONDS = 1.5
LISTED = 5_000
WATCHES = 2_000
HELD = 100_000
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


class Rate(msgspec.Struct, frozen=True):
    """Requests a second, and processor microseconds of the server a request."""

    requests: float
    cpu: float


Next = Callable[[int, int], bytes]
"""The request that a client sends, by the number of the client and of the request."""


async def rate(process: Process, next_request: Next, tls: ssl.SSLContext | None = None) -> Rate:
    """Clients that each send the next request once the last one is answered."""
    connections = [await Connection.open(process.port, tls) for _ in range(CLIENTS)]
    done = 0
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS

    async def client(number: int, connection: Connection) -> None:
        nonlocal done
        turn = 0
        while loop.time() < end:
            turn += 1
            await connection.ask(next_request(number, turn))
            done += 1

    began, cpu = loop.time(), process.cpu()
    await asyncio.gather(*(client(number, connection) for number, connection in enumerate(connections)))
    seconds, cpu = loop.time() - began, process.cpu() - cpu
    for connection in connections:
        await connection.close()
    return Rate(done / seconds, cpu / done * 1e6)


def get_request(client: int, turn: int) -> bytes:
    return request("GET", f"{CONFIG_MAPS}/{name((client * 7919 + turn * 31) % LISTED)}", token=TOKEN)


def patch_request(client: int, turn: int) -> bytes:
    body = orjson.dumps({"data": {"version": f"{time.monotonic_ns()}"}})
    return request("PATCH", f"{CONFIG_MAPS}/{name(client * 100 + turn % 100)}", body, MERGE, TOKEN)


async def list_seconds(process: Process) -> float:
    """How long a list of all objects takes until its last byte has come."""
    connection = await Connection.open(process.port)
    began = time.perf_counter()
    answer = await connection.ask(request("GET", CONFIG_MAPS, token=TOKEN))
    seconds = time.perf_counter() - began
    await connection.close()
    if answer.count(b'"creationTimestamp"') != LISTED:
        raise RuntimeError(f"the list has not {LISTED} items")
    return seconds


class Watches(msgspec.Struct, frozen=True):
    """What open watches cost: bytes each, and seconds until all have seen an event."""

    bytes: float
    seconds: Sequence[float]


async def watches(process: Process) -> Watches:
    """Open watches on one resource, then change one of its objects several times."""
    revision = orjson.loads(await _body(process, "GET", f"{CONFIG_MAPS}?limit=1"))["metadata"]["resourceVersion"]
    before = process.memory()
    opened = Countdown(WATCHES, b"\r\n\r\n")
    path = f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={revision}"
    connections = []
    for _ in range(WATCHES):
        connection = await Connection.open(process.port)
        connection.follow(request("GET", path, token=TOKEN), opened.follower())
        connections.append(connection)
    await opened.done
    each = (process.memory() - before) / WATCHES
    writer = await Connection.open(process.port)
    seconds = []
    for turn in range(ROUNDS):
        seen = Countdown(WATCHES, b'"MODIFIED"')
        for connection in connections:
            connection.follow(b"", seen.follower())
        began = time.perf_counter()
        await writer.ask(patch_request(0, turn))
        await seen.done
        seconds.append(time.perf_counter() - began)
    for connection in [*connections, writer]:
        await connection.close()
    return Watches(each, seconds)


class Countdown:
    """Ends ``done`` once each of several streams has brought a word."""

    def __init__(self, count: int, word: bytes) -> None:
        self._left = count
        self._word = word
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def follower(self) -> Callable[[bytes], None]:
        seen = False

        def follow(data: bytes) -> None:
            nonlocal seen
            if not seen and self._word in data:
                seen = True
                self._left -= 1
                if not self._left:
                    self.done.set_result(None)

        return follow


async def _body(process: Process, method: str, path: str) -> bytes:
    connection = await Connection.open(process.port)
    answer = await connection.ask(request(method, path, token=TOKEN))
    await connection.close()
    return answer.partition(b"\r\n\r\n")[2]


def name(number: int) -> str:
    return f"bench-{number:06d}"


def config_map(number: int, revision: int) -> bytes:
    """A stored ConfigMap of 2 KB, as the server would have written it."""
    owner: dict[str, Any] = {"f:data": {".": {}, "f:payload": {}, "f:version": {}}}
    metadata = {
        "name": name(number),
        "namespace": "default",
        "uid": f"00000000-0000-4000-8000-{number:012d}",
        "resourceVersion": str(revision),
        "creationTimestamp": "2026-01-31T08:00:00Z",
        "labels": {"app": "bench", "shard": str(number % 16)},
        "managedFields": [
            {
                "manager": "bench",
                "operation": "Update",
                "apiVersion": "v1",
                "time": "2026-01-31T08:00:00Z",
                "fieldsType": "FieldsV1",
                "fieldsV1": owner,
            }
        ],
    }
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"version": "0"}}
    obj["data"]["payload"] = ""
    obj["data"]["payload"] = "x" * (OBJECT_BYTES - len(orjson.dumps(obj)))
    return orjson.dumps(obj)


async def fill(path: Path, count: int) -> None:
    """Make a store with so many ConfigMaps."""
    database = Database.open(path, summarize=summarize, synchronous="NORMAL")
    bucket = database.keyspace("main").bucket("/configmaps")

    def encoder(number: int) -> Callable[[int], bytes]:
        return lambda revision: config_map(number, revision)

    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        await asyncio.gather(*(bucket.put("default", name(n), encoder(n), expected=0) for n in numbers))
    await database.close()


async def throughput(folder: Path, next_request: Next, *, tls: bool = False) -> list[Rate]:
    with serving(folder, tls=tls) as process:
        context = process.tls()
        await rate(process, next_request, context)  # to warm up
        return [await rate(process, next_request, context) for _ in range(ROUNDS)]


def rates(what: str, found: Sequence[Rate], budget: float | None = None) -> list[Figure]:
    each = [one.requests for one in found]
    cpu = [one.cpu for one in found]
    return [
        Figure(what, statistics.median(each), "/s", at_least=budget, spread=spread(each, 0)),
        Figure(f"{what}, processor time a request", statistics.median(cpu), "us", spread=spread(cpu, 0)),
    ]


async def measure() -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        await fill(folder / "echelon.db", LISTED)
        figures += rates("GET, 16 clients", await throughput(folder, get_request), 5_000)
        figures += rates("PATCH, 16 clients, synchronous=FULL", await throughput(folder, patch_request), 3_000)
        figures += rates("GET, 16 clients, TLS", await throughput(folder, get_request, tls=True))
        figures += rates("PATCH, 16 clients, TLS", await throughput(folder, patch_request, tls=True))
        with serving(folder) as process:
            lists = [await list_seconds(process) * 1000 for _ in range(ROUNDS * 3)]
            figures.append(Figure("LIST of 5,000 objects", statistics.median(lists), "ms", 150.0, spread(lists)))
        with serving(folder) as process:
            cost = await watches(process)
            seen = [seconds * 1000 for seconds in cost.seconds]
            figures.append(Figure("one event to 2,000 watches", statistics.median(seen), "ms", 300.0, spread(seen)))
            figures.append(Figure("memory of an open watch", cost.bytes / 1024, "KB", 25.0))
    return figures + await many_objects()


async def many_objects() -> list[Figure]:
    """A store of 100,000 objects: how long it loads, how much memory the server then has."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        await fill(folder / "echelon.db", HELD)
        seconds, megabytes = [], []
        for _ in range(3):
            with serving(folder) as process:
                seconds.append(process.load_seconds)
                megabytes.append(process.memory() / 1e6)
    return [
        Figure("memory with 100,000 objects", statistics.median(megabytes), "MB", 600.0, spread(megabytes, 0)),
        Figure("load of 100,000 objects", statistics.median(seconds), "s", 10.0, spread(seconds, 2)),
    ]


if __name__ == "__main__":
    raise_file_limit()
    pin(CLIENT_CORE)
    emit(run(measure()))
