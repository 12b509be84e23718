"""The token of an agent: renewed in time, replaced when somebody puts another one in its place, and what is said
when neither is possible."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from echelon.agent.places import TokenFile
from echelon.agent.token import AgentToken, Claims, claims_of, keep_renewed, seconds
from echelon.kube.credentials import CredentialsError
from echelon.kube.errors import Forbidden, Unreachable

pytestmark = pytest.mark.looptime
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = 3600.0
ACCOUNT = "system:serviceaccount:fleet-member-one:fleet-agent"


class LoopClock:
    """The loop's time, which may be off."""

    def __init__(self, off: timedelta = timedelta(0)) -> None:
        self.off = off

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time()) + self.off


def token(issued: float = 0.0, life: float = 10 * HOUR, subject: str = ACCOUNT, **more: object) -> str:
    """A token as a server issues it ``issued`` seconds after the test began."""
    begin = BEGIN.timestamp() + issued
    claims = {"sub": subject, "iat": begin, "exp": begin + life, **more}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


class Place:
    """Where the token is kept; writing may fail."""

    def __init__(self, content: str) -> None:
        self.content = content
        self.fails = 0

    def read(self) -> str:
        if not self.content:
            raise CredentialsError("the token file is empty")
        return self.content

    async def write(self, token: str) -> None:
        if self.fails:
            self.fails -= 1
            raise Forbidden("secrets is forbidden")
        self.content = token


class Hub:
    """Issues tokens."""

    def __init__(self, life: float = 10 * HOUR) -> None:
        self.life = life
        self.issued: list[float] = []
        self.reachable = True

    async def issue(self, claims: Claims) -> str:
        assert claims.account == ("fleet-member-one", "fleet-agent")
        if not self.reachable:
            raise Unreachable("no route to host")
        now = asyncio.get_running_loop().time()
        self.issued.append(now)
        return token(now, self.life)


def held(place: Place, clock: LoopClock | None = None) -> AgentToken:
    return AgentToken("one", place, clock or LoopClock(), remedy="give it another")


@asynccontextmanager
async def renewing(place: Place, hub: Hub, clock: LoopClock | None = None) -> AsyncIterator[AgentToken]:
    credentials = held(place, clock)
    await credentials.identity()
    task = asyncio.create_task(keep_renewed(credentials, place, hub.issue))
    yield credentials
    task.cancel()
    await asyncio.wait([task])


async def test_renewed_when_a_fifth_of_its_life_has_passed() -> None:
    hub, place = Hub(), Place(token())
    async with renewing(place, hub) as credentials:
        await asyncio.sleep(7 * HOUR)
        assert hub.issued == [2 * HOUR, 4 * HOUR, 6 * HOUR]
        assert place.content == token(6 * HOUR)
        assert (await credentials.identity()).authorization == f"Bearer {token(6 * HOUR)}"


async def test_a_shorter_life_than_asked_for_is_what_counts() -> None:
    hub = Hub(life=HOUR)
    async with renewing(Place(token(life=HOUR)), hub):
        await asyncio.sleep(HOUR)
    assert len(hub.issued) == 4


async def test_a_hub_that_is_away_is_asked_again_until_it_is_back() -> None:
    hub, place = Hub(), Place(token())
    async with renewing(place, hub):
        hub.reachable = False
        await asyncio.sleep(9 * HOUR)
        assert hub.issued == []
        hub.reachable = True
        await asyncio.sleep(400)
    assert len(hub.issued) == 1
    assert place.content == token(hub.issued[0])


async def test_a_token_that_cannot_be_written_back_is_used_all_the_same() -> None:
    hub, place = Hub(), Place(token())
    place.fails = 2
    async with renewing(place, hub) as credentials:
        await asyncio.sleep(2 * HOUR + 1)
        assert (await credentials.identity()).authorization == f"Bearer {token(2 * HOUR)}"
        assert place.content == token()
        await asyncio.sleep(7 * HOUR)
    assert place.content == token(hub.issued[-1])


@pytest.mark.parametrize("off", [timedelta(hours=-30), timedelta(minutes=-5), timedelta(hours=30)])
async def test_clocks_that_differ_make_it_renew_at_once_and_then_as_always(off: timedelta) -> None:
    hub = Hub()
    async with renewing(Place(token()), hub, LoopClock(off)):
        await asyncio.sleep(4 * HOUR + 10)
    assert hub.issued == [0.0, 2 * HOUR, 4 * HOUR]


@pytest.mark.parametrize("content", ["opaque", token(subject="system:admin"), "a.b.c", "x.bm90IGpzb24.y"])
async def test_tokens_that_are_not_those_of_accounts_stay_as_they_are(content: str) -> None:
    hub = Hub()
    async with renewing(Place(content), hub) as credentials:
        await asyncio.sleep(100 * HOUR)
        assert (await credentials.identity()).authorization == f"Bearer {content}"
    assert hub.issued == []


async def test_another_token_in_the_place_is_seen_within_a_minute() -> None:
    place = Place("first")
    credentials = held(place)
    await credentials.identity()
    place.content = "second"
    assert (await credentials.identity()).authorization == "Bearer first"
    await asyncio.sleep(60)
    assert (await credentials.identity()).authorization == "Bearer second"


async def test_an_older_token_in_the_place_is_passed_over() -> None:
    """A mounted Secret shows what was written a minute ago, not what was renewed since."""
    place = Place(token())
    credentials = held(place)
    await credentials.identity()
    credentials.put(token(100))
    place.content = token(50)
    await asyncio.sleep(120)
    assert (await credentials.identity()).authorization == f"Bearer {token(100)}"


async def test_a_refused_token_is_replaced_by_the_one_in_the_place() -> None:
    place = Place(token())
    credentials = held(place)
    identity = await credentials.identity()
    place.content = token(1)
    assert credentials.rejected(identity)
    assert credentials.problem == ""
    assert (await credentials.identity()).authorization == f"Bearer {token(1)}"
    assert credentials.rejected(identity)  # a request that was under way with the old one


async def test_a_token_that_has_ended_is_told_with_what_to_do() -> None:
    place = Place(token(life=HOUR))
    credentials = held(place)
    identity = await credentials.identity()
    await asyncio.sleep(2 * HOUR)
    assert not credentials.rejected(await credentials.identity())
    assert credentials.problem == (
        "the agent's token ended at 2026-03-02T01:00:00Z, before it could be renewed; give it another"
    )
    place.content = token(2 * HOUR)
    assert credentials.rejected(identity)
    assert credentials.problem == ""


async def test_a_token_that_the_hub_does_not_take_is_told() -> None:
    credentials = held(Place(token()))
    assert not credentials.rejected(await credentials.identity())
    assert credentials.problem == "the hub does not take the agent's token; give it another"


async def test_no_token_at_all_is_told() -> None:
    place = Place(token())
    credentials = held(place)
    identity = await credentials.identity()
    place.content = ""
    assert not credentials.rejected(identity)
    assert credentials.problem == "the token file is empty; give it another"
    with pytest.raises(CredentialsError):
        await held(place).identity()


async def test_the_renewal_goes_on_with_a_token_that_was_put_there() -> None:
    hub, place = Hub(), Place(token(life=HOUR))
    async with renewing(place, hub) as credentials:
        hub.reachable = False
        await asyncio.sleep(3 * HOUR)
        hub.reachable = True
        place.content = token(3 * HOUR)
        credentials.look_again()
        await credentials.identity()
        begun = len(hub.issued)
        await asyncio.sleep(1.9 * HOUR)
        assert len(hub.issued) == begun
        await asyncio.sleep(0.2 * HOUR)
        assert len(hub.issued) == begun + 1


def test_claims() -> None:
    found = claims_of(token(life=HOUR, aud=["x"]))
    assert found is not None
    assert (found.account, found.life) == (("fleet-member-one", "fleet-agent"), timedelta(hours=1))
    assert claims_of("nothing") is None


def test_no_token_is_asked_for_that_is_shorter_than_kubernetes_gives() -> None:
    assert seconds(timedelta(seconds=1)) == 600
    assert seconds(timedelta(hours=1)) == 3600


@pytest.mark.looptime(False)
async def test_a_file_is_replaced_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old\n")
    path.chmod(0o644)
    place = TokenFile(path)
    assert place.read() == "old"
    await place.write("new")
    assert (place.read(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    assert os.listdir(tmp_path) == ["token"]
    path.write_text(" ")
    with pytest.raises(CredentialsError, match="is empty"):
        place.read()
    path.unlink()
    with pytest.raises(CredentialsError, match="cannot read the token file"):
        place.read()
