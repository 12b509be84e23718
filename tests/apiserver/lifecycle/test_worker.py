"""The work queue of the life-cycle controllers."""

from __future__ import annotations

import asyncio

import pytest

from echelon.apiserver.lifecycle.worker import Worker


async def test_a_key_waits_once() -> None:
    handled: list[str] = []
    done = asyncio.Event()

    async def handle(key: str) -> None:
        handled.append(key)
        if key == "last":
            done.set()

    worker: Worker[str] = Worker("test", handle)
    for key in ("a", "b", "a", "last"):
        worker.add(key)
    worker.start()
    await done.wait()
    assert handled == ["a", "b", "last"]
    await worker.close()


async def test_a_key_added_while_handled_is_handled_again() -> None:
    handled: list[int] = []
    done = asyncio.Event()

    async def handle(key: int) -> None:
        handled.append(key)
        if len(handled) == 1:
            worker.add(key)
        else:
            done.set()

    worker: Worker[int] = Worker("test", handle)
    worker.start()
    worker.add(1)
    await done.wait()
    assert handled == [1, 1]
    await worker.close()


async def test_what_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echelon.apiserver.lifecycle.worker._FIRST_DELAY", 0.001)
    attempts = 0
    done = asyncio.Event()

    async def handle(key: str) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise OSError("not yet")
        done.set()

    worker: Worker[str] = Worker("test", handle)
    worker.start()
    worker.add("a")
    await asyncio.wait_for(done.wait(), 5)
    assert attempts == 4
    await worker.close()


async def test_closing_forgets_what_waits() -> None:
    async def handle(key: str) -> None:
        raise OSError("never")

    worker: Worker[str] = Worker("test", handle)
    worker.start()
    worker.add("a")
    await asyncio.sleep(0)
    await worker.close()
    await worker.close()
