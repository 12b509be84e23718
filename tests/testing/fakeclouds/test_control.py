"""Played clouds as whoever rehearses meets them: the way in, and the command."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from echelon.testing.fakeclouds import BadCluster, Clouds, ManualClock, PacedClock, Server
from echelon.testing.fakeclouds.__main__ import FLEET, read_fleet

ONE = "eks://eu-west-1/one"
CLUSTER = {"id": ONE, "version": "1.30", "pools": [{"name": "ng", "version": "1.30"}], "controlPlaneSeconds": 100}


class Player:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self._session.request(method, f"{self._url}/play{path}", json=body) as answer:
            text = await answer.text()
            return answer.status, await answer.json() if answer.content_type == "application/json" else text


@pytest.fixture
async def play() -> AsyncIterator[Player]:
    clock = ManualClock(datetime(2026, 3, 2, tzinfo=UTC))
    async with Server(Clouds(), clock) as server, aiohttp.ClientSession() as session:
        yield Player(server.url, session)


async def test_a_cluster_is_played_changed_and_ended(play: Player) -> None:
    assert (await play("PUT", "/cluster", CLUSTER))[0] == 200
    assert (await play("PATCH", f"/cluster?id={ONE}", {"faults": {"drain": True, "slow": 3}}))[0] == 200
    _, everything = await play("GET", "")
    (cluster,) = everything["clusters"]
    assert (cluster["faults"]["drain"], cluster["faults"]["slow"], cluster["region"]) == (True, 3, "eu-west-1")
    assert (await play("DELETE", f"/cluster?id={ONE}"))[0] == 200
    assert (await play("GET", ""))[1]["clusters"] == []


async def test_somebody_else_is_at_work_until_time_has_passed(play: Player) -> None:
    await play("PUT", "/cluster", CLUSTER)
    await play("POST", f"/operation?id={ONE}", {"seconds": 60})
    for seconds, state in ((59, "Running"), (1, "Succeeded")):
        await play("POST", "/clock", {"seconds": seconds})
        _, everything = await play("GET", "")
        assert everything["clusters"][0]["operations"][0]["state"] == state
    await play("PATCH", f"/cluster?id={ONE}", {"running": False})  # what was done is kept
    _, everything = await play("GET", "")
    assert len(everything["clusters"][0]["operations"]) == 1


async def test_what_is_offered(play: Player) -> None:
    assert await play("PUT", "/versions", {"eks": ["1.30", "1.31"]}) == (
        200,
        {"aks": [], "eks": ["1.30", "1.31"], "gke": []},
    )
    image = {"cloud": "eks", "family": "AL2023_x86_64_STANDARD", "version": "1.30", "image": "1.30.1-20250101"}
    assert await play("POST", "/image", image) == (200, image)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", "/cluster", {"id": "vms://one", "version": "1.30"}, 400, "is the id of no cluster that can be played"),
        ("PUT", "/cluster", {"id": ONE, "version": "new"}, 400, "'new' is not a Kubernetes version"),
        ("PUT", "/cluster", {"id": ONE}, 400, "missing required field `version`"),
        ("PATCH", f"/cluster?id={ONE}", {}, 404, f"The cluster {ONE} was not found."),
        ("POST", "/clock", {"minutes": 1}, 400, "unknown field `minutes`"),
    ],
)
async def test_what_makes_no_sense_is_told(
    play: Player, method: str, path: str, body: object, status: int, said: str
) -> None:
    found, text = await play(method, path, body)
    assert found == status
    assert said in text


def test_time_can_go_faster() -> None:
    clock = PacedClock(3600)
    before = clock.now()
    clock.advance(100)
    assert (clock.now() - before).total_seconds() >= 100


def test_the_fleet_that_is_played_by_itself_makes_sense() -> None:
    assert {cluster.cloud for cluster in read_fleet(FLEET).clusters} == {"aks", "eks", "gke"}
    with pytest.raises(BadCluster, match="unknown field `cluster`"):
        read_fleet({"cluster": []})


async def test_the_command() -> None:
    command = [sys.executable, "-m", "echelon.testing.fakeclouds", "--port", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    assert first.startswith("The clouds are at http://127.0.0.1:")
    url = first.split()[4].rstrip(";")
    async with aiohttp.ClientSession() as session, session.get(f"{url}/play") as answer:
        assert len((await answer.json())["clusters"]) == 3
    process.send_signal(signal.SIGINT)
    rest, _ = await process.communicate()
    assert b"azure: {endpoint: http://127.0.0.1:" in rest
    assert rest.endswith(b"The clouds are gone.\n")
