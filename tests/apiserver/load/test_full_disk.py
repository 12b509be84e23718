"""A disk that is full: writes are refused with 507, reads go on, and what was acknowledged is there afterwards."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from .process import TOKEN, ServerProcess

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


async def create(client: aiohttp.ClientSession, name: str) -> int:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": "x" * 20_000}}
    async with client.post(CONFIG_MAPS, json=body) as response:
        answer = await response.json()
        if response.status != 201:
            assert (response.status, answer["kind"], answer["code"]) == (507, "Status", 507), answer
            assert answer["reason"] == "InsufficientStorage"
        return response.status


async def names(client: aiohttp.ClientSession) -> set[str]:
    async with client.get(CONFIG_MAPS) as response:
        assert response.status == 200
        return {item["metadata"]["name"] for item in (await response.json())["items"]}


async def health(client: aiohttp.ClientSession, path: str) -> int:
    async with client.get(path) as response:
        return response.status


async def test_a_full_disk_refuses_writes_and_spoils_nothing(tmp_path: Path) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    server = ServerProcess(tmp_path)
    server.disk_bytes = 2_000_000
    await server.start()
    stored: set[str] = set()
    async with aiohttp.ClientSession(server.url, headers=headers) as client:
        for number in range(200):
            if await create(client, f"a{number}") == 201:
                stored.add(f"a{number}")
        assert 10 < len(stored) < 200
        assert await names(client) == stored
        assert (await health(client, "/livez"), await health(client, "/readyz")) == (200, 500)
    server.kill()
    server.disk_bytes = 0
    await server.start()
    async with aiohttp.ClientSession(server.url, headers=headers) as client:
        assert await names(client) == stored
        assert await create(client, "there-is-room-again") == 201
        assert await health(client, "/readyz") == 200
    server.close()
