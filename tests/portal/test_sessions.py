"""Who is signed in, for how long, and by which links."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from echelon.kube.errors import Unauthorized
from echelon.portal.sessions import IDLE, LINK_LIFE, Sessions, expiry_of
from echelon.portal.users import Users

START = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment


class Client:
    """Knows who a token is, and whether it was closed."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.closed = False
        self.observers: list[object] = []

    async def create(self, obj: object) -> dict[str, object]:
        if self.token == "wrong":
            raise Unauthorized("Unauthorized")
        return {"status": {"userInfo": {"username": f"user of {self.token}"}}}

    async def close(self) -> None:
        self.closed = True


def jwt(expires: datetime) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": int(expires.timestamp())}).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients() -> list[Client]:
    return []


@pytest.fixture
def sessions(clock: Clock, clients: list[Client]) -> Sessions:
    def connect(token: str) -> Client:
        clients.append(Client(token))
        return clients[-1]

    return Sessions(Users(connect), clock)  # type: ignore[arg-type]  # all that is needed of a client


async def test_a_cookie_leads_to_its_session(sessions: Sessions) -> None:
    cookie, session = await sessions.begin("one")
    assert session.user.name == "user of one"
    assert await sessions.find(cookie) is session
    assert await sessions.find("another") is None


async def test_a_token_that_the_hub_does_not_know_begins_nothing(sessions: Sessions, clients: list[Client]) -> None:
    with pytest.raises(Unauthorized):
        await sessions.begin("wrong")
    assert clients[0].closed


async def test_a_session_ends_when_nothing_is_asked(sessions: Sessions, clock: Clock) -> None:
    cookie, _ = await sessions.begin("one")
    clock.moment += IDLE - timedelta(seconds=1)
    assert await sessions.find(cookie) is not None
    clock.moment += IDLE - timedelta(seconds=1)
    assert await sessions.find(cookie) is not None
    clock.moment += IDLE
    assert await sessions.find(cookie) is None


async def test_a_session_ends_with_its_token(sessions: Sessions, clock: Clock, clients: list[Client]) -> None:
    cookie, session = await sessions.begin(jwt(START + timedelta(minutes=10)))
    clock.moment += timedelta(minutes=10)
    assert not sessions.touch(session)
    assert await sessions.find(cookie) is None
    assert clients[0].closed


async def test_sessions_of_one_token_share_a_client(sessions: Sessions, clients: list[Client]) -> None:
    first, _ = await sessions.begin("one")
    second, _ = await sessions.begin("one")
    assert len(clients) == 1
    await sessions.end(first)
    found = await sessions.find(second)
    assert found is not None
    assert not found.user.client.closed  # type: ignore[attr-defined]
    await sessions.end(second)
    assert all(client.closed for client in clients)


async def test_a_link_works_once_and_not_for_ever(sessions: Sessions, clock: Clock) -> None:
    code = sessions.link("one")
    assert sessions.take(code) == "one"
    assert sessions.take(code) is None
    late = sessions.link("one")
    clock.moment += LINK_LIFE
    assert sessions.take(late) is None


def test_only_a_token_that_says_so_has_an_end() -> None:
    end = START + timedelta(hours=1)
    assert expiry_of(jwt(end)) == end
    assert expiry_of(f"hub.{jwt(end)}") == end
    for text in ("plain", "a.b.c", "hub.secret", "..", "a.e30.c"):
        assert expiry_of(text) is None
