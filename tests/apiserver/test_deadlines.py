"""Time limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.apiserver.deadlines import parse_duration, requested_seconds
from echelon.apiserver.errors import StatusError
from echelon.apiserver.storage import Bucket
from echelon.apiserver.traffic import TrafficOptions

from .conftest import TOKEN, Client

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("1m30s", 90), ("1.5h", 5400), ("-2s", -2), ("+3ms", 0.003), ("0", 0), (".5s", 0.5), ("2us", 2e-6)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x", 'time: invalid duration "x"'),
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("5", 'time: missing unit in duration "5"'),
        ("5y", 'time: unknown unit "y" in duration "5y"'),
        ("9" * 400 + "s", "invalid duration"),
    ],
)
def test_what_is_no_duration(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match="time:") as raised:
        parse_duration(text)
    assert fault in str(raised.value)


def test_what_clients_ask_for() -> None:
    assert requested_seconds({"timeout": "5s", "timeoutSeconds": "7"}) == 5
    assert requested_seconds({"timeoutSeconds": "7"}) == 7
    assert requested_seconds({"timeout": "0s"}) is None
    assert requested_seconds({}) is None
    with pytest.raises(StatusError, match="invalid timeout specified in the request URL - time: invalid duration"):
        requested_seconds({"timeout": "x"})


@pytest.fixture
async def api() -> AsyncIterator[Client]:
    database = Database.open(None, summarize=summarize)
    users = StaticTokens({TOKEN: User("admin", (MASTERS,))})
    server = ApiServer(database.keyspace("main"), authenticator=users, traffic=TrafficOptions(request_seconds=0.05))
    await server.start()
    yield Client(server)
    await server.close()
    await database.close()


async def never(*_: Any, **__: Any) -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("query", ["", "?timeout=1ms"])
async def test_a_request_that_takes_too_long_is_cut_off(
    api: Client, config_map: Any, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "put", never)
        replies = await asyncio.gather(*(api.post(MAPS + query, config_map(f"a{n}")) for n in range(3)))
    for reply in replies:
        assert (reply.status, reply.json["reason"]) == (504, "Timeout")
    assert (await api.post(MAPS, config_map("b"))).status == 201


async def test_a_client_that_sends_its_body_too_slowly_is_cut_off(api: Client) -> None:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    scope = api._scope("POST", MAPS, {"content-type": "application/json"}, "")
    await api.app(scope, never, send)  # type: ignore[arg-type]
    assert messages[0]["status"] == 504


async def test_watches_have_all_the_time_they_want(
    api: Client, config_map: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api.watch(MAPS + "?watch=1&labelSelector=seen") as stream:
        assert await stream.head() == 200
        with monkeypatch.context() as patched:
            patched.setattr(Bucket, "put", never)
            assert (await api.post(MAPS, config_map("late"))).status == 504  # began later, and is over
        await api.post(MAPS, config_map("a", labels={"seen": ""}))
        assert await stream.events(1) == [("ADDED", "a")]


async def test_who_is_cancelled_by_somebody_else_is_not_answered(
    api: Client, config_map: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bucket, "put", never)
    task = asyncio.create_task(api.post(MAPS, config_map("a")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
