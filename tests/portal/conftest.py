"""A fleet in this process with its portal, and something that asks for pages as a browser does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from echelon.api.meta import SystemClock
from echelon.apiserver import Database, User, summarize
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.transport import Response
from echelon.local.fleet import FleetOptions
from echelon.local.fleet_file import read_fleet_file
from echelon.local.fleets import EmbeddedFleets
from echelon.local.portal import embedded_portal
from echelon.portal import Portal

TOKEN = "the-token-of-the-administrator"
FLEET_FILE = Path(__file__).parents[2] / "examples" / "update-run-fleet.yaml"
HOST = "hub.example"


class Served:
    """A fleet and its portal."""

    def __init__(self, fleets: EmbeddedFleets, portal: Portal) -> None:
        self.fleets = fleets
        self.portal = portal
        self.admin: Client = fleets.own.hub.administrator("tests")

    def token_of(self, name: str, *groups: str) -> str:
        """A token of somebody who may do what their roles say."""
        token = f"the-token-of-{name}"
        self.fleets.own.hub._tokens.accept(token, User(name, groups))
        return token


@asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    """The fleet of the update run tutorial, and its portal."""
    database = Database.open(None, summarize=summarize)
    described = read_fleet_file(FLEET_FILE)
    fleets = EmbeddedFleets(database, FleetOptions(admin_token=TOKEN))
    portal = embedded_portal(fleets, SystemClock(), token_hint="Ask.")
    try:
        await fleets.start(described.members, described.releases)
        yield Served(fleets, portal)
    finally:
        await portal.close()
        await fleets.close()
        await database.close()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


class Browser:
    """Keeps cookies, and sends what browsers send with a form."""

    def __init__(self, portal: Portal) -> None:
        self._transport = AsgiTransport(portal)
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def _headers(self, **more: str) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"host": HOST, **({"cookie": cookies} if cookies else {}), **more}

    async def get(self, path: str, **headers: str) -> Response:
        where, _, query = path.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        return self._keep(await self._transport.request("GET", where, query=pairs, headers=self._headers(**headers)))

    async def post(self, path: str, fields: dict[str, Any] | list[tuple[str, str]], **headers: str) -> Response:
        pairs = list(fields.items()) if isinstance(fields, dict) else fields
        if self.csrf and not any(name == "csrf" for name, _ in pairs):
            pairs = [("csrf", self.csrf), *pairs]
        given = {"content-type": "application/x-www-form-urlencoded", "origin": f"https://{HOST}"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = urlencode(pairs).encode()
        return self._keep(await self._transport.request("POST", path, headers=self._headers(**given), body=body))

    async def sign_in(self, token: str = TOKEN) -> Response:
        answer = await self.post("/signin", {"token": token})
        if answer.status == 303:
            await self.get("/")
        return answer

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[Stream]:
        where, _, query = path.partition("?")
        pairs = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        async with self._transport.stream("GET", where, query=pairs, headers=self._headers(**headers)) as answer:
            yield Stream(answer.chunk)

    def _keep(self, answer: Response) -> Response:
        cookie = answer.headers.get("set-cookie", "")
        if cookie:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        found = re.search(r'name="csrf" value="([^"]+)"', answer.body.decode())
        if found is not None:
            self.csrf = found[1]
        return answer


class Stream:
    """The events of a page as they come."""

    def __init__(self, chunk: Any) -> None:
        self._chunk = chunk
        self._text = ""

    async def event(self, seconds: float = 10.0) -> dict[str, str]:
        """The next event that says something: its fields."""
        async with asyncio.timeout(seconds):
            while True:
                while "\n\n" not in self._text:
                    data = await self._chunk()
                    if not data:
                        raise EOFError("the stream has ended")
                    self._text += data.decode()
                text, _, self._text = self._text.partition("\n\n")
                fields: dict[str, str] = {}
                for line in text.splitlines():
                    name, _, value = line.partition(": ")
                    if name:
                        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
                if fields:
                    return fields


@pytest.fixture
async def browser(served: Served) -> Browser:
    """A browser in which the administrator is signed in."""
    found = Browser(served.portal)
    assert (await found.sign_in()).status == 303
    return found


def live_path(page: str) -> str:
    """The address of a page's stream."""
    found = re.search(r'hx-sse:connect="([^"]+)"', page)
    assert found is not None
    return found[1].replace("&amp;", "&")
