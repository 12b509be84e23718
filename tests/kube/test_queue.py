"""The work queue, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from echelon.kube.backoff import Backoff
from echelon.kube.queue import LOW, ShutDown, WorkQueue

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def take_all(queue: WorkQueue[str]) -> Sequence[str]:
    taken = []
    while len(queue):
        taken.append(await queue.get())
        queue.done(taken[-1])
    return taken


async def test_items_come_in_order_and_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in "abca":
        queue.add(item)
    assert len(queue) == 3
    assert await take_all(queue) == ["a", "b", "c"]


async def test_item_added_while_processing_comes_again_when_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    assert len(queue) == 0
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(1)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_earlier_of_two_delays_wins() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 10)
    queue.add_after("a", 3)
    queue.add_after("a", 7)
    assert await queue.get() == "a"
    assert now() == 3
    queue.done("a")
    await asyncio.sleep(20)
    assert len(queue) == 0


async def test_timers_need_not_tell_when_they_fire(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    def at_once(_: float, callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        """What uvloop makes of a moment that has passed when it comes to set the timer."""
        return loop.call_soon(callback, *arguments)

    monkeypatch.setattr(loop, "call_at", at_once)
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.001)
    queue.add_after("a", 0.0005)
    assert await queue.get() == "a"


async def test_delay_of_nothing_is_no_delay() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0)
    assert len(queue) == 1


async def test_failures_wait_longer_each_time_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(backoff=Backoff(first=0.005, cap=1000))
    delays = []
    for _ in range(20):
        delays.append(queue.add_failed("a"))
        await queue.get()
        queue.done("a")
    assert delays[:4] == [0.005, 0.01, 0.02, 0.04]
    assert delays[-1] == 1000
    queue.forget("a")
    assert queue.add_failed("a") == 0.005
    assert queue.add_failed("b", at_least=4) == 4


async def test_higher_priorities_go_first_and_items_move_up() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in "abc":
        queue.add(item, LOW)
    queue.add("d")
    queue.add("c")
    queue.add("d", LOW)
    assert await take_all(queue) == ["d", "c", "a", "b"]


async def test_item_dirtied_with_several_priorities_takes_the_highest() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a", LOW)
    queue.add("a")
    queue.add("b", LOW)
    queue.done("a")
    assert await take_all(queue) == ["a", "b"]


async def test_cancelled_worker_passes_its_turn_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = (asyncio.create_task(queue.get()) for _ in range(2))
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    third = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.wait([third])
    queue.add("b")
    assert await queue.get() == "b"


async def test_shut_down_drops_what_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("b")
    queue.add("a")
    queue.add_after("c", 1)
    queue.shut_down()
    queue.add("d")
    queue.add_after("d", 1)
    with pytest.raises(ShutDown):
        await queue.get()
    joined = asyncio.create_task(queue.join())
    await asyncio.sleep(5)
    assert not joined.done()
    queue.done("a")
    await joined
    assert len(queue) == 0


async def test_shut_down_with_drain_gives_out_what_waits() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in "ab":
        queue.add(item)
    queue.shut_down(drain=True)
    assert await take_all(queue) == ["a", "b"]
    with pytest.raises(ShutDown):
        await queue.get()


async def test_shut_down_wakes_all_workers() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    assert all(isinstance(end, ShutDown) for end in await asyncio.gather(*workers, return_exceptions=True))


async def test_depth_is_told() -> None:
    depth = 0

    def moved(count: int) -> None:
        nonlocal depth
        depth += count
        assert depth >= 0

    queue: WorkQueue[str] = WorkQueue(on_depth=moved)
    for item in "abcab":
        queue.add(item)
    assert depth == 3
    await queue.get()
    queue.add("a")
    assert depth == 2
    queue.shut_down()
    assert depth == 0
