"""Fairness: shares, queues, turns."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from echelon.apiserver import AllowAll, ApiServer, Database, StaticTokens, summarize
from echelon.apiserver.authentication import ANONYMOUS_USER, MASTERS, User
from echelon.apiserver.errors import StatusError
from echelon.apiserver.fairness import Fairness, FairnessOptions, Share
from echelon.apiserver.traffic import TrafficOptions

from .conftest import Client

JANE, JOE, ADMIN = User("jane"), User("joe"), User("admin", (MASTERS,))
SMALL = FairnessOptions(in_flight=3, user_in_flight=2, user_queue=2, user_watches=2, system_factor=2)


@pytest.fixture
def fairness() -> Fairness:
    return Fairness(SMALL)


async def turn() -> None:
    """Let the event loop go on until nothing is ready any more."""
    for _ in range(4):
        await asyncio.sleep(0)


async def queued(fairness: Fairness, user: User, order: list[str]) -> asyncio.Task[Share]:
    async def enter() -> Share:
        share = await fairness.enter(user)
        order.append(user.name)
        return share

    task = asyncio.create_task(enter())
    await turn()
    return task


async def test_a_user_has_so_many_seats_then_a_queue_then_is_refused(fairness: Fairness) -> None:
    seats = [await fairness.enter(JANE), await fairness.enter(JANE)]
    waiting = [await queued(fairness, JANE, []) for _ in range(2)]
    assert (fairness.waiting, fairness.users) == (2, 1)
    with pytest.raises(StatusError) as refused:
        await fairness.enter(JANE)
    assert (refused.value.code, refused.value.reason, refused.value.retry_after) == (429, "TooManyRequests", 1)
    fairness.leave(seats[0])
    await turn()
    assert [task.done() for task in waiting] == [True, False]
    fairness.leave(seats[1])
    fairness.leave(await waiting[0])
    fairness.leave(await waiting[1])
    await turn()
    assert (fairness.waiting, fairness.users) == (0, 0)


async def test_users_take_turns() -> None:
    fairness = Fairness(FairnessOptions(in_flight=1))
    order: list[str] = []
    seat = await fairness.enter(JOE)
    tasks = [await queued(fairness, user, order) for user in (JANE, JANE, JANE, JOE, JOE)]
    for count in range(5):
        assert len(order) == count
        fairness.leave(seat)
        await turn()
        seat = next(task for task in tasks if task.done()).result()
        tasks = [task for task in tasks if not task.done()]
    assert order == ["jane", "joe", "jane", "joe", "jane"]


async def test_a_seat_is_free_in_the_next_turn_only(fairness: Fairness) -> None:
    order: list[str] = []

    async def read() -> None:
        share = await fairness.enter(JANE)
        order.append("served")
        fairness.leave(share)

    reads = [asyncio.create_task(read()) for _ in range(4)]
    await asyncio.sleep(0)
    assert order == ["served", "served"]
    await asyncio.gather(*reads)
    assert len(order) == 4


async def test_who_is_exempt_and_who_has_more(fairness: Fairness) -> None:
    for _ in range(20):
        await fairness.enter(ADMIN)
        fairness.watch(ADMIN)
    scheduler = User("system:scheduler")
    for _ in range(3):
        await fairness.enter(scheduler)
    for _ in range(4):
        fairness.watch(scheduler)
    for user in (ANONYMOUS_USER, User("system:serviceaccount:a:b")):
        shares = [fairness.watch(user), fairness.watch(user)]
        with pytest.raises(StatusError, match="Too many watches"):
            fairness.watch(user)
        for share in shares:
            fairness.unwatch(share)
    assert fairness.users == 1


@pytest.mark.parametrize("seated", [True, False])
async def test_who_gives_up_waiting_takes_no_seat(fairness: Fairness, seated: bool) -> None:
    seats = [await fairness.enter(JANE), await fairness.enter(JANE)]
    task = asyncio.create_task(fairness.enter(JANE))
    await turn()
    if seated:
        fairness.leave(seats[0])
        asyncio.get_running_loop().call_soon(task.cancel)
        await turn()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    for seat in seats[1:] if seated else seats:
        fairness.leave(seat)
    if not task.cancelled():
        fairness.leave(task.result())
    await turn()
    assert (fairness.waiting, fairness.users) == (0, 0)


@pytest.fixture
async def jane() -> Any:
    database = Database.open(None, summarize=summarize)
    server = ApiServer(
        database.keyspace("main"),
        authenticator=StaticTokens({"jane": JANE}),
        authorizer=AllowAll(),
        traffic=TrafficOptions(fairness=SMALL),
    )
    await server.start()
    yield Client(server, "jane")
    await server.close()
    await database.close()


async def test_the_server_refuses_what_is_too_much(jane: Client) -> None:
    replies = await asyncio.gather(*(jane.get("/api/v1/namespaces") for _ in range(10)))
    codes = sorted(reply.status for reply in replies)
    assert codes == [200] * 4 + [429] * 6
    refused = next(reply for reply in replies if reply.status == 429)
    assert refused.header("retry-after") == ["1"]
    assert refused.json["details"] == {"retryAfterSeconds": 1}
    assert (await jane.get("/livez")).status == 200
    assert (await jane.get("/api/v1/namespaces")).status == 200


async def test_watches_are_counted_apart(jane: Client) -> None:
    async with jane.watch("/api/v1/namespaces?watch=1") as one, jane.watch("/api/v1/namespaces?watch=1") as other:
        assert (await one.head(), await other.head()) == (200, 200)
        assert (await jane.get("/api/v1/namespaces?watch=1")).status == 429
        assert (await jane.get("/api/v1/namespaces")).status == 200
    async with jane.watch("/api/v1/namespaces?watch=1") as again:
        assert await again.head() == 200
