"""Writes side by side."""

from __future__ import annotations

import asyncio

import pytest

from echelon.placement.writes import side_by_side


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
