"""Writes side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from echelon.kube.transport import Response
from echelon.placement.writes import AT_ONCE, side_by_side

from .hub import Hub, RecordingTransport


class Server:
    """Counts what is under way at a time."""

    def __init__(self) -> None:
        self.now = self.most = self.done = 0

    async def write(self, error: BaseException | None = None) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        self.done += 1
        if error is not None:
            raise error


async def test_no_more_at_a_time_than_the_limit() -> None:
    server = Server()
    await side_by_side((server.write() for _ in range(20)), 3)
    assert (server.most, server.done) == (3, 20)


async def test_nothing_to_write() -> None:
    await side_by_side([])


async def test_a_failure_keeps_none_of_the_others() -> None:
    server = Server()
    with pytest.raises(ValueError, match="the first"):
        await side_by_side([server.write(ValueError(text)) for text in ("the first", "another")] + [server.write()])
    assert server.done == 3


async def test_the_end_of_the_process_comes_before_all_else() -> None:
    class Killed(BaseException):
        pass

    server = Server()
    with pytest.raises(Killed):
        await side_by_side([server.write(ValueError()), server.write(Killed())])


async def test_the_scheduler_writes_bindings_side_by_side(bare_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a slow network a large fleet has its bindings soon, and loses them soon."""
    members, server, request = 3 * AT_ONCE, Server(), RecordingTransport.request

    async def slow(self: RecordingTransport, method: str, path: str, **more: Any) -> Response:
        if method in ("POST", "DELETE") and "/clusterresourcebindings" in path:
            server.now += 1
            server.most = max(server.most, server.now)
            await asyncio.sleep(1)
            server.now -= 1
        return await request(self, method, path, **more)

    monkeypatch.setattr(RecordingTransport, "request", slow)
    for number in range(members):
        await bare_hub.join(f"member-{number:02}")
    await bare_hub.start_controllers()
    await bare_hub.place()
    await bare_hub.until(lambda: len(bare_hub.bindings()) == members, within=10)
    assert server.most == AT_ONCE
    await bare_hub.delete(bare_hub.scope.placement, "web")
    await bare_hub.until(lambda: bare_hub.find(bare_hub.scope.placement, "web") is None, within=10)
