"""Watches under load, over the network: many, slow ones among them, and clients that want too much."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from .process import TOKEN, ServerProcess

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"content-type": "application/merge-patch+json"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(tmp_path)
    await server.start()
    yield server
    server.close()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[aiohttp.ClientSession]:
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(None, sock_read=60)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers, timeout=timeout) as session:
        yield session


async def create(client: aiohttp.ClientSession, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {}}
    async with client.post(CONFIG_MAPS, json=body) as response:
        assert response.status == 201


async def change(client: aiohttp.ClientSession, name: str, value: str) -> int:
    """Change an object; its revision."""
    async with client.patch(f"{CONFIG_MAPS}/{name}", json={"data": {"v": value}}, headers=MERGE) as response:
        assert response.status == 200
        return int((await response.json())["metadata"]["resourceVersion"])


async def revision_of(client: aiohttp.ClientSession) -> str:
    async with client.get(f"{CONFIG_MAPS}?limit=1") as response:
        return str((await response.json())["metadata"]["resourceVersion"])


async def follow(stack: AsyncExitStack, client: aiohttp.ClientSession, revision: str) -> aiohttp.StreamReader:
    """The lines of a watch behind a revision. Whoever takes one may take its time."""
    query = f"?watch=1&resourceVersion={revision}"
    response = await stack.enter_async_context(client.get(CONFIG_MAPS + query, read_bufsize=1 << 22))
    assert response.status == 200
    return response.content


async def events(content: aiohttp.StreamReader, count: int) -> list[Any]:
    return [orjson.loads(await content.readline()) for _ in range(count)]


async def seen_by_all(client: aiohttp.ClientSession, watchers: int, writers: int, writes: int) -> None:
    """Let writers write while watchers watch: each sees every event once, in the order of revisions."""
    names = [f"n{number}" for number in range(writers)]
    for name in names:
        await create(client, name)
    async with AsyncExitStack() as stack:
        start = await revision_of(client)
        contents = [await follow(stack, client, start) for _ in range(watchers)]

        async def write(name: str) -> list[int]:
            return [await change(client, name, str(turn)) for turn in range(writes)]

        written, *seen = await asyncio.gather(
            asyncio.gather(*map(write, names)), *(events(content, writers * writes) for content in contents)
        )
    wanted = sorted(revision for revisions in written for revision in revisions)
    for found in seen:
        assert [int(event["object"]["metadata"]["resourceVersion"]) for event in found] == wanted


async def test_all_watchers_see_all_events_in_order(client: aiohttp.ClientSession) -> None:
    await seen_by_all(client, watchers=30, writers=8, writes=10)


@pytest.mark.soak
async def test_two_thousand_watchers_see_all_events_in_order(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384) if hard > 0 else 16_384, hard))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    server = ServerProcess(tmp_path)
    await server.start()
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(None, sock_read=120)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(server.url, connector=connector, headers=headers, timeout=timeout) as client:
        await seen_by_all(client, watchers=2_000, writers=16, writes=5)
    server.close()


async def test_watchers_that_do_not_read_cost_little_and_are_told(
    server: ServerProcess, client: aiohttp.ClientSession
) -> None:
    await create(client, "a")
    before = server.memory()
    start = await revision_of(client)
    slow = [await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 12) for _ in range(40)]
    for reader, writer in slow:
        head = f"GET {CONFIG_MAPS}?watch=1&resourceVersion={start} HTTP/1.1\r\nhost: x\r\n"
        writer.write(f"{head}authorization: Bearer {TOKEN}\r\n\r\n".encode())
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    async with AsyncExitStack() as stack:
        quick = asyncio.create_task(events(await follow(stack, client, start), 150))
        for turn in range(150):
            await change(client, "a", f"{turn} " + "x" * 400_000)  # sixty megabytes, of which the server keeps sixteen
        assert [event["object"]["data"]["v"].partition(" ")[0] for event in await quick] == [str(n) for n in range(150)]
    assert server.memory() - before < 200_000_000
    for reader, writer in slow:
        ending = b""
        while not ending.endswith(b"\r\n0\r\n\r\n"):
            ending = (ending + await asyncio.wait_for(reader.read(1 << 20), 20))[-2000:]
        assert b'"type":"ERROR"' in ending
        assert b'"code":410' in ending
        writer.close()


async def test_who_asks_too_much_waits_alone(server: ServerProcess, client: aiohttp.ClientSession) -> None:
    async def ask(user: str) -> tuple[int, str | None]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
        headers = {"authorization": f"Bearer {user}"}
        async with client.post(CONFIG_MAPS, json=body, headers=headers) as response:
            await response.read()
            return response.status, response.headers.get("retry-after")

    crowd = [asyncio.create_task(ask("jane")) for _ in range(600)]
    assert (await ask("joe"))[0] == 403  # admitted, though without rights
    answers = Counter(await asyncio.gather(*crowd))
    assert answers.keys() <= {(403, None), (429, "1")}
    assert (await ask("jane"))[0] == 403
