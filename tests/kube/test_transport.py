"""Both transports behave the same: over a socket, and into an application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from echelon.kube.asgi import HIGH_WATER, AsgiTransport
from echelon.kube.errors import Unreachable
from echelon.kube.http import HttpTransport
from echelon.kube.kubeconfig import Connection
from echelon.kube.transport import Stream, Transport


class Probe:
    """An application that answers as the path says, and remembers what happened to it."""

    def __init__(self) -> None:
        self.sent = 0
        self.begun = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.ended = asyncio.Event()
        self.cancelled = False
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        try:
            await getattr(self, scope["path"].split("/")[-1])(scope, receive, send)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()

    async def echo(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        told = {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "body": body.decode(),
            "flavour": dict(scope["headers"]).get(b"x-flavour", b"").decode(),
        }
        headers = [(b"Content-Type", b"application/json"), (b"Warning", b"one"), (b"Warning", b"two")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": msgspec.json.encode(told)})

    async def raises(self, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("out of order")

    async def breaks_off(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half a line", "more_body": True})
        raise RuntimeError("out of order")

    async def waits(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        self.disconnected.set()

    async def writes(self, scope: Any, receive: Any, send: Any) -> None:
        await self.go_on.wait()
        self.sent += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def events(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in (b"one\ntw", b"o\n", b"\nthree"):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": b""})

    async def long_line(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(50):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"\nend\n"})

    async def flood(self, scope: Any, receive: Any, send: Any) -> None:
        listening = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not (listening.done() and listening.result()["type"] == "http.disconnect"):
            await send({"type": "http.response.body", "body": b"y" * 1000 + b"\n", "more_body": True})
            self.sent += 1
            if listening.done():
                listening = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
        self.disconnected.set()


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture(params=["http", "asgi"])
async def transport(
    request: pytest.FixtureRequest, probe: Probe, served: Callable[..., AbstractAsyncContextManager[int]]
) -> AsyncIterator[Transport]:
    if request.param == "asgi":
        direct = AsgiTransport(probe, prefix="/clusters/hub")
        yield direct
        probe.go_on.set()
        await direct.close()
        return
    async with served(probe) as port:
        socketed = HttpTransport(Connection(f"http://127.0.0.1:{port}/clusters/hub/"))
        yield socketed
        await socketed.close()


async def test_request_and_answer_arrive_whole(transport: Transport) -> None:
    response = await transport.request(
        "PATCH",
        "/apis/a%3Ab/echo",
        query={"labelSelector": "a in (b,c)", "x": "ä"},
        headers={"X-Flavour": "plum"},
        body=b'{"a": 1}',
        timeout=5,
    )
    assert response.status == 418
    assert response.headers["content-type"] == "application/json"
    assert response.headers["warning"] == "one, two"
    assert msgspec.json.decode(response.body) == {
        "method": "PATCH",
        "path": "/clusters/hub/apis/a:b/echo",
        "raw_path": "/clusters/hub/apis/a%3Ab/echo",
        "query": "labelSelector=a+in+%28b%2Cc%29&x=%C3%A4",
        "body": '{"a": 1}',
        "flavour": "plum",
    }


async def test_failing_application_answers_500(transport: Transport) -> None:
    assert (await transport.request("GET", "/raises")).status == 500


async def test_answer_that_breaks_off_is_unreachable(transport: Transport) -> None:
    with pytest.raises(Unreachable):
        await transport.request("GET", "/breaks_off")


async def test_stream_that_breaks_off_is_unreachable(transport: Transport) -> None:
    async with transport.stream("GET", "/breaks_off") as stream:
        with pytest.raises(Unreachable):
            await stream.read()


async def test_silence_is_unreachable(transport: Transport, probe: Probe) -> None:
    with pytest.raises(Unreachable, match=r"within 0\.05 s"):
        await transport.request("GET", "/waits", timeout=0.05)
    await asyncio.wait_for(probe.disconnected.wait(), 5)


async def test_silent_stream_is_unreachable(transport: Transport) -> None:
    async with transport.stream("GET", "/events", timeout=0.05) as stream:
        lines = stream.lines()
        assert await anext(lines) == b"one"
        with pytest.raises(Unreachable):
            await anext(lines)


async def test_cancelled_request_disconnects(transport: Transport, probe: Probe) -> None:
    call = asyncio.create_task(transport.request("GET", "/waits"))
    await probe.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(probe.disconnected.wait(), 5)
    assert not probe.cancelled


async def test_cancelled_write_is_not_torn_apart(transport: Transport, probe: Probe) -> None:
    call = asyncio.create_task(transport.request("POST", "/writes", body=b"{}"))
    await probe.begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    probe.go_on.set()
    await asyncio.wait_for(probe.ended.wait(), 5)
    assert probe.sent == 1
    assert not probe.cancelled


async def test_stream_gives_lines_as_they_come(transport: Transport, probe: Probe) -> None:
    async with transport.stream("GET", "/events") as stream:
        assert stream.status == 200
        lines = stream.lines()
        assert await anext(lines) == b"one"
        probe.go_on.set()
        assert [line async for line in lines] == [b"two", b"three"]


async def test_line_of_any_length(transport: Transport) -> None:
    async with transport.stream("GET", "/long_line") as stream:
        lengths = [len(line) async for line in stream.lines()]
    assert lengths == [5_000_000, 3]


async def test_leaving_a_stream_disconnects(transport: Transport, probe: Probe) -> None:
    async with transport.stream("GET", "/flood") as stream:
        assert await anext(stream.lines()) == b"y" * 1000
    await asyncio.wait_for(probe.disconnected.wait(), 5)


async def test_unread_stream_holds_the_application_back(transport: Transport, probe: Probe) -> None:
    async with transport.stream("GET", "/flood") as stream:
        await anext(stream.lines())
        while True:
            before = probe.sent
            await asyncio.sleep(0.1)
            if probe.sent == before:
                break
        assert probe.sent * 1000 < 20_000_000  # what sockets buffer
        if isinstance(transport, AsgiTransport):
            assert probe.sent * 1000 < HIGH_WATER + 2000
        await anext(stream.lines())


async def test_failure_status_of_a_stream_is_readable(transport: Transport) -> None:
    async with transport.stream("GET", "/raises") as stream:
        assert stream.status == 500
        assert await stream.read() == b"Internal Server Error"


async def test_closed_transport_is_unreachable(transport: Transport) -> None:
    await transport.close()
    with pytest.raises(Unreachable, match="closed"):
        await transport.request("GET", "/echo")


async def test_close_ends_what_is_under_way(transport: Transport, probe: Probe) -> None:
    call = asyncio.create_task(transport.request("GET", "/waits"))
    await probe.begun.wait()
    await transport.close()
    with pytest.raises(Unreachable):
        await call
    await asyncio.wait_for(probe.disconnected.wait(), 5)


async def test_application_that_returns_without_an_answer() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        return None

    with pytest.raises(Unreachable, match="without a whole answer"):
        await AsgiTransport(silent).request("GET", "/")


async def test_refused_connection_is_unreachable() -> None:
    transport = HttpTransport(Connection("http://127.0.0.1:1"))
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1"):
        await transport.request("GET", "/version")
    with pytest.raises(Unreachable):
        async with transport.stream("GET", "/version"):
            pass
    await transport.close()


@pytest.mark.parametrize("cut", range(1, 12))
async def test_lines_do_not_depend_on_chunks(cut: int) -> None:
    text = b"one\n\ntwo\nthree, the last"
    chunks = [text[start : start + cut] for start in range(0, len(text), cut)]

    async def chunk() -> bytes:
        return chunks.pop(0) if chunks else b""

    assert [line async for line in Stream(200, {}, chunk).lines()] == [b"one", b"two", b"three, the last"]
