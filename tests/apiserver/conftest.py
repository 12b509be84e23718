"""A server in memory and a client that calls it without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize

TOKEN = "secret"
PATIENCE = 5.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def forward(self, **span: float) -> None:
        self.moment += timedelta(**span)


class Reply:
    """A complete answer."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"Reply({self.status}, {self.body[:300]!r})"

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    def header(self, name: str) -> list[str]:
        return [value.decode() for key, value in self.headers if key.decode() == name]


class Stream:
    """A watch under way."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.gone = asyncio.Event()
        self._buffer = b""
        self._ended = False

    async def head(self) -> int:
        message = await asyncio.wait_for(self.messages.get(), PATIENCE)
        assert message["type"] == "http.response.start"
        status: int = message["status"]
        return status

    async def event(self) -> Any:
        """The next event, or None at the end of the stream."""
        while b"\n" not in self._buffer:
            if self._ended:
                return None
            message = await asyncio.wait_for(self.messages.get(), PATIENCE)
            self._buffer += message.get("body", b"")
            self._ended = not message.get("more_body", False)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return orjson.loads(line)

    async def events(self, count: int) -> list[tuple[str, str]]:
        """Type and name of the next events."""
        seen = [await self.event() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"]["name"]) for event in seen]


class Client:
    """Calls an ASGI application."""

    def __init__(self, app: Callable[..., Awaitable[None]], token: str | None = TOKEN) -> None:
        self.app = app
        self.token = token

    def _scope(self, method: str, url: str, headers: dict[str, str], root_path: str) -> dict[str, Any]:
        parts = urlsplit(url)
        given = {"authorization": f"Bearer {self.token}"} if self.token else {}
        given |= headers
        return {
            "type": "http",
            "method": method,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": root_path,
            "headers": [(key.lower().encode(), value.encode()) for key, value in given.items()],
        }

    async def send(
        self,
        method: str,
        url: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "",
        headers: dict[str, str] | None = None,
        root_path: str = "",
    ) -> Reply:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        given = {"content-type": content_type} if data else {}
        if accept:
            given["accept"] = accept
        messages: list[dict[str, Any]] = []
        requests = [{"type": "http.request", "body": data, "more_body": False}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            return requests.pop(0)

        async def send(message: dict[str, Any]) -> None:
            messages.append(message)

        await self.app(self._scope(method, url, given | (headers or {}), root_path), receive, send)
        start = messages[0]
        return Reply(start["status"], start["headers"], b"".join(message.get("body", b"") for message in messages[1:]))

    async def get(self, url: str, **rest: Any) -> Reply:
        return await self.send("GET", url, **rest)

    async def post(self, url: str, body: Any, **rest: Any) -> Reply:
        return await self.send("POST", url, body, **rest)

    async def put(self, url: str, body: Any, **rest: Any) -> Reply:
        return await self.send("PUT", url, body, **rest)

    async def delete(self, url: str, body: Any = None, **rest: Any) -> Reply:
        return await self.send("DELETE", url, body, **rest)

    async def patch(self, url: str, body: Any, kind: str = "merge-patch+json", **rest: Any) -> Reply:
        return await self.send("PATCH", url, body, content_type=f"application/{kind}", **rest)

    @asynccontextmanager
    async def watch(self, url: str, *, accept: str = "") -> AsyncIterator[Stream]:
        """A watch; the client goes away at the end of the block."""
        stream = Stream()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await stream.gone.wait()
            return {"type": "http.disconnect"}

        scope = self._scope("GET", url, {"accept": accept} if accept else {}, "")
        task = asyncio.create_task(self.app(scope, receive, stream.messages.put))  # type: ignore[arg-type]
        try:
            yield stream
        finally:
            stream.gone.set()
            await asyncio.wait_for(task, PATIENCE)

    async def until_gone(self, collection: str, name: str) -> None:
        """Wait until an object does not exist."""
        url = f"{collection}?watch=1&fieldSelector=metadata.name%3D{name}"
        async with self.watch(url) as stream:
            await stream.head()
            if (await self.get(f"{collection}/{name}")).status == 404:
                return
            while (event := await stream.event())["type"] != "DELETED":
                assert event["type"] in ("ADDED", "MODIFIED")

    async def until(self, collection: str, name: str, holds: Callable[[Any], bool]) -> Any:
        """Wait until something holds of an object; the object then."""
        url = f"{collection}?watch=1&fieldSelector=metadata.name%3D{name}"
        async with self.watch(url) as stream:
            await stream.head()
            while True:
                event = await stream.event()
                if event["type"] != "DELETED" and holds(event["object"]):
                    return event["object"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[ApiServer]:
    database = Database.open(None, summarize=summarize)
    app = ApiServer(
        database.keyspace("main"), authenticator=StaticTokens({TOKEN: User("admin", (MASTERS,))}), clock=clock
    )
    await app.start()
    yield app
    await app.close()
    await database.close()


@pytest.fixture
def api(server: ApiServer) -> Client:
    return Client(server)


@pytest.fixture
def anonymous(server: ApiServer) -> Client:
    return Client(server, token=None)


CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def config_map() -> Callable[..., dict[str, Any]]:
    def make(name: str, **metadata: Any) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"k": "v"}}

    return make


@pytest.fixture
def widget_definition() -> dict[str, Any]:
    """A custom resource at two versions, with status and scale."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "description": "What the widget should be.",
                "properties": {
                    "colour": {"type": "string", "description": "How it looks."},
                    "size": {"type": "integer", "minimum": 1, "default": 3},
                    "replicas": {"type": "integer"},
                },
            },
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    subresources = {
        "status": {},
        "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"},
    }
    columns = [{"name": "Colour", "type": "string", "jsonPath": ".spec.colour"}]
    version = {
        "served": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": subresources,
        "additionalPrinterColumns": columns,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{**version, "name": "v1", "storage": False}, {**version, "name": "v1beta1", "storage": True}],
        },
    }


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
async def widgets(api: Client, widget_definition: dict[str, Any]) -> str:
    """The path of a served custom resource, at the version it is not stored at."""
    assert (await api.post(DEFINITIONS, widget_definition)).status == 201
    await api.until(DEFINITIONS, widget_definition["metadata"]["name"], _is_established)
    return "/apis/example.com/v1/namespaces/default/widgets"


def _is_established(crd: Any) -> bool:
    conditions = crd.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
