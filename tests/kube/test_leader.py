"""Leader election with two candidates and a broken network, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.leader import LeaderElector, LeadershipLost, Lease, NotLeader
from echelon.kube.testing import Drop, FakeServer, Request, Widget

pytestmark = pytest.mark.looptime

LEASE = ("system", "hub")


class LoopClock:
    """The time of the loop, with an error of its own."""

    def __init__(self, error: float = 0.0) -> None:
        self._error = error

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=asyncio.get_running_loop().time() + self._error)


class Candidate:
    """An elector behind a network of its own, that can be cut or made to hang."""

    def __init__(self, server: FakeServer, identity: str, *, clock_error: float = 0.0) -> None:
        self.cut = False
        self.hangs = False
        self.writes_are_lost = False
        self._server = server
        self._client = Client(AsgiTransport(self._app))
        self.elector = LeaderElector(self._client, LEASE, identity, clock=LoopClock(clock_error), rng=Random(identity))
        self.task = asyncio.create_task(self.elector.run())

    async def _app(self, scope: object, receive: object, send: object) -> None:
        if self.hangs:
            await asyncio.sleep(10_000)
        if self.cut:
            return
        await self._server(scope, receive, send)  # type: ignore[arg-type]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self.hangs = False
        await self._client.close()


Candidates = AbstractAsyncContextManager[tuple[Candidate, Candidate]]


@asynccontextmanager
async def _two_candidates(server: FakeServer) -> AsyncIterator[tuple[Candidate, Candidate]]:
    """The leader and one who waits, whose clock is a day behind."""
    first = Candidate(server, "first")
    await first.elector.wait_until_leading()
    second = Candidate(server, "second", clock_error=-86_400)
    yield first, second
    await first.stop()
    await second.stop()


@pytest.fixture
def candidates(server: FakeServer) -> Candidates:
    return _two_candidates(server)  # entered in the test: fixtures have another time


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_first_candidate_keeps_the_lease(candidates: Candidates, client: Client, server: FakeServer) -> None:
    async with candidates as (first, second):
        await asyncio.sleep(600)
        assert first.elector.is_leader
        assert not second.elector.is_leader
        spec = (await client.get(Lease, LEASE)).spec
        assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == ("first", 15, 0)
        assert spec.acquire_time == "2026-01-01T00:00:00.000000Z"
        assert spec.renew_time is not None
        assert spec.renew_time > "2026-01-01T00:09:57"


async def test_released_lease_is_taken_soon(candidates: Candidates, client: Client) -> None:
    async with candidates as (first, second):
        await asyncio.sleep(60)
        await first.stop()
        assert not first.elector.is_leader
        stopped = now()
        await second.elector.wait_until_leading()
        assert now() - stopped <= 2.4
        assert (await client.get(Lease, LEASE)).spec.lease_transitions == 1


@pytest.mark.parametrize("fault", ["cut", "hangs"])
async def test_leader_without_network_ends_before_the_other_begins(candidates: Candidates, fault: str) -> None:
    async with candidates as (first, second):
        await asyncio.sleep(60)
        setattr(first, fault, True)
        broken = now()
        with pytest.raises(LeadershipLost, match="could not renew the lease for 10 s"):
            await first.task
        assert now() - broken <= 10
        assert not first.elector.is_leader
        assert not second.elector.is_leader
        await second.elector.wait_until_leading()
        assert 10 < now() - broken <= 20


async def test_never_two_leaders_whatever_breaks(server: FakeServer) -> None:
    random = Random(7)
    candidates = [Candidate(server, f"candidate-{number}") for number in range(3)]
    led: set[int] = set()
    for _ in range(2000):
        await asyncio.sleep(random.uniform(0, 3))
        leading = [number for number, candidate in enumerate(candidates) if candidate.elector.is_leader]
        assert len(leading) <= 1
        led.update(leading)
        number = random.randrange(3)
        if candidates[number].task.done():
            assert isinstance(candidates[number].task.exception(), LeadershipLost)
            await candidates[number].stop()
            candidates[number] = Candidate(server, f"candidate-{number}")
        candidates[number].cut = random.random() < 0.3
        candidates[number].hangs = random.random() < 0.2
    assert led == {0, 1, 2}
    for candidate in candidates:
        await candidate.stop()


async def test_answer_lost_after_renewal_is_no_harm(candidates: Candidates, server: FakeServer) -> None:
    async with candidates as (first, _):

        async def lose(request: Request) -> None:
            if request.method == "PATCH" and now() < 60:
                raise Drop(answer_lost=True)

        server.faults.append(lose)
        await asyncio.sleep(8)
        assert first.elector.is_leader


async def test_a_lease_taken_by_a_write_without_an_answer_is_given_back(server: FakeServer, client: Client) -> None:
    async def lose(request: Request) -> None:
        if request.method == "POST":
            raise Drop(answer_lost=True)

    server.faults.append(lose)
    first = Candidate(server, "first")
    await asyncio.sleep(1)
    assert (await client.get(Lease, LEASE)).spec.holder_identity == "first"
    assert not first.elector.is_leader
    await first.stop()
    assert (await client.get(Lease, LEASE)).spec.holder_identity == ""


async def test_writes_are_held_back_without_leadership(candidates: Candidates, server: FakeServer) -> None:
    async with candidates as (first, _):
        client = Client(AsgiTransport(server), before_write=first.elector.before_write)
        await client.delete(Widget, ("one", "a"), missing_ok=True)
        await first.stop()
        with pytest.raises(NotLeader, match=r"DELETE .*/widgets/a held back: first does not lead"):
            await client.delete(Widget, ("one", "a"), missing_ok=True)
        await client.list(Widget)
        await client.close()


async def test_stopped_process_knows_at_once_that_it_does_not_lead(candidates: Candidates) -> None:
    """As if the process had been asleep: no timer has fired yet, but the clock has gone on."""
    async with candidates as (first, _):
        loop = asyncio.get_running_loop()
        assert first.elector.is_leader
        first.elector._leads_until = loop.time()
        assert not first.elector.is_leader


async def test_periods_that_make_no_sense_are_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="each has to be shorter than the next"):
        LeaderElector(client, LEASE, "first", lease_duration=5, renew_deadline=10)
