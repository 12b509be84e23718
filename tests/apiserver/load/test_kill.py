"""``kill -9`` of a server that 16 clients write to loses nothing that was acknowledged.

Each client creates, changes, applies and deletes objects of its own and keeps a journal: the last
acknowledged state of each, and the write that was under way when the server died. After the restart
every object is as acknowledged, or as that one write would have made it, and nothing else is there.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from .process import TOKEN, ServerProcess

CLIENTS = 16
NAMES = 4
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


class State(msgspec.Struct, frozen=True):
    """What an object is: its value, or None when it is deleted; and the revision that said so, 0 when nobody did."""

    value: str | None = None
    revision: int = 0


class Writer:
    """A client with its journal."""

    def __init__(self, number: int) -> None:
        self._chance = random.Random(number)
        self._number = number
        self._turn = 0
        self.acknowledged = {f"client-{number}-{name}": State() for name in range(NAMES)}
        self.under_way: tuple[str, str | None] | None = None
        self.count = 0

    async def write(self, session: aiohttp.ClientSession) -> None:
        """Write until the connection is lost."""
        self.under_way = None
        while True:
            name = self._chance.choice(sorted(self.acknowledged))
            present = self.acknowledged[name].value is not None
            self._turn += 1
            deletes = present and self._chance.random() < 0.2
            value = None if deletes else f"{self._number}.{self._turn}." + "x" * self._chance.choice((10, 2000, 60_000))
            self.under_way = (name, value)
            answer = await self._send(session, name, value, present)
            revision = int(answer["metadata"].get("resourceVersion", 0))
            self.acknowledged[name] = State(value, revision)
            self.under_way = None
            self.count += 1

    async def _send(self, session: aiohttp.ClientSession, name: str, value: str | None, present: bool) -> Any:
        path = f"{CONFIG_MAPS}/{name}"
        body: Any = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}}
        headers = {}
        if value is None:
            request = session.delete(path)
        elif not present:
            request = session.post(CONFIG_MAPS, json=body)
        elif self._chance.random() < 0.3:
            headers = {"content-type": "application/apply-patch+yaml"}
            request = session.patch(f"{path}?fieldManager=w&force=true", json=body, headers=headers)
        else:
            headers = {"content-type": "application/merge-patch+json"}
            request = session.patch(path, json={"data": {"v": value}}, headers=headers)
        async with request as response:
            answer = await response.json()
            assert response.status in (200, 201), answer
            return answer

    def compare(self, found: dict[str, State]) -> None:
        """Check what a restarted server has, and take it as acknowledged."""
        for name, state in self.acknowledged.items():
            now = found.get(name, State())
            if now.value != state.value:
                assert (name, now.value) == self.under_way, f"{name}: acknowledged {state}, found {now}"
            else:
                assert now.value is None or now.revision == state.revision
            self.acknowledged[name] = now


async def stored(session: aiohttp.ClientSession) -> tuple[dict[str, State], int]:
    """What the server has, and its revision."""
    async with session.get(CONFIG_MAPS) as response:
        answer = await response.json()
    items = {
        item["metadata"]["name"]: State(item["data"]["v"], int(item["metadata"]["resourceVersion"]))
        for item in answer["items"]
    }
    return items, int(answer["metadata"]["resourceVersion"])


async def write_until_killed(server: ServerProcess, writers: list[Writer], seconds: float) -> None:
    async with session_of(server) as session:
        tasks = [asyncio.create_task(writer.write(session)) for writer in writers]
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        assert not any(task.done() for task in tasks), "a client ended before the server did"
        server.kill()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(ended, aiohttp.ClientError | ConnectionError), ended


def session_of(server: ServerProcess) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(server.url, connector=connector, headers={"authorization": f"Bearer {TOKEN}"})


async def kill(folder: Path, times: int) -> int:
    """Kill a server under load so many times; how many writes were acknowledged."""
    server, writers = ServerProcess(folder), [Writer(number) for number in range(CLIENTS)]
    chance = random.Random(times)
    try:
        await server.start()
        for _ in range(times):
            await write_until_killed(server, writers, chance.uniform(0.05, 1.0))
            await server.start()
            async with session_of(server) as session:
                found, revision = await stored(session)
            newest = max(state.revision for writer in writers for state in writer.acknowledged.values())
            assert revision >= newest
            for writer in writers:
                writer.compare(found)
            assert found.keys() <= {name for writer in writers for name in writer.acknowledged}
    finally:
        server.close()
    return sum(writer.count for writer in writers)


async def test_killing_a_server_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    assert await kill(tmp_path, 3) > 0


@pytest.mark.soak
async def test_killing_a_server_under_load_fifty_times_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged = await kill(tmp_path, 50)
    print(f"{acknowledged} acknowledged writes over 50 kills")
    assert acknowledged > 5_000
