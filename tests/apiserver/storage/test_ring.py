"""Watchers: what they see, when they wake, how they end."""

import asyncio

import pytest

from echelon.apiserver.storage import Compacted, Database, Limits


def told(events):
    return [(event.type, event.record.key.name, event.revision) for event in events]


@pytest.fixture
def short(open_database):
    """A bucket in memory only whose ring holds four events, or a hundred bytes."""
    return open_database(None, limits=Limits(ring_events=4, ring_bytes=100)).keyspace("hub").bucket("/pods")


async def test_events_tell_the_change_and_the_state_before(bucket, put, delete):
    watcher = bucket.watch(0)
    states = [await put(bucket, "a"), await put(bucket, "a"), await delete(bucket, "a")]
    events = watcher.ready()
    assert told(events) == [("ADDED", "a", 1), ("MODIFIED", "a", 2), ("DELETED", "a", 3)]
    assert [event.record for event in events] == states
    assert [event.previous for event in events] == [None, *states[:2]]


async def test_a_watcher_begins_after_a_revision(bucket, put):
    for name in "abc":
        await put(bucket, name)
    assert told(bucket.watch(1).ready()) == [("ADDED", "b", 2), ("ADDED", "c", 3)]
    assert bucket.watch(3).ready() == []


async def test_a_watcher_waits_and_takes_many_at_once(bucket, put):
    watcher = bucket.watch(0)
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    await asyncio.gather(*(put(bucket, name) for name in "abc"))
    assert await waiting
    assert [event.revision for event in watcher.ready()] == [1, 2, 3]
    assert watcher.ready() == []


async def test_iteration_gives_one_event_after_the_other(bucket, put):
    watcher = bucket.watch(0)
    await put(bucket, "a")
    await put(bucket, "b")
    assert (await anext(watcher)).revision == 1
    assert watcher.revision == 1
    assert [event.revision for event in watcher.ready()] == [2]
    following = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    await put(bucket, "c")
    assert (await following).revision == 3


async def test_a_watcher_is_at_the_newest_revision_when_it_has_seen_all(bucket, put):
    other = bucket.keyspace.bucket("/secrets")
    watcher = bucket.watch(0)
    await put(bucket, "a")
    await put(other, "b")
    assert watcher.revision == 0
    watcher.ready()
    assert watcher.revision == 2
    await put(other, "b")
    assert watcher.revision == 3
    assert watcher.ready() == []


async def test_waiting_can_have_an_end(bucket):
    watcher = bucket.watch(0)
    assert not await watcher.wait(timeout=0.001)
    assert not watcher.closed


async def test_a_cancelled_wait_leaves_the_watcher_as_it_was(bucket, put):
    watcher = bucket.watch(0)
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await put(bucket, "a")
    assert bucket.ring.waiting == set()
    assert await watcher.wait()


async def test_a_closed_watcher_ends(bucket, put):
    watcher = bucket.watch(0)
    await put(bucket, "a")
    await put(bucket, "b")
    await anext(watcher)
    waiting = bucket.watch(2)
    ending = asyncio.ensure_future(anext(waiting))
    await asyncio.sleep(0)
    for one in (watcher, waiting):
        one.close()
        one.close()
    with pytest.raises(StopAsyncIteration):
        await ending
    assert [event async for event in watcher] == []
    assert watcher.ready() == []
    assert not await watcher.wait()
    assert watcher.revision == 1
    assert bucket.stats().watchers == 0


async def test_watchers_end_with_the_database():
    database = Database.open(None, summarize=len)
    watcher = database.keyspace("hub").bucket("/pods").watch(0)
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    await database.close()
    assert not await waiting
    assert watcher.closed


async def test_a_watcher_that_falls_behind_is_told_so(short, put):
    slow, quick = short.watch(0), short.watch(0)
    for _ in range(4):
        await put(short, "a")
    quick.ready()
    await put(short, "a")
    assert [event.revision for event in quick.ready()] == [5]
    assert await slow.wait()
    with pytest.raises(Compacted) as dropped:
        slow.ready()
    assert (dropped.value.requested, dropped.value.oldest) == (0, 1)
    with pytest.raises(Compacted):
        await anext(slow)
    with pytest.raises(Compacted):
        short.watch(0)
    assert [event.revision for event in short.watch(1).ready()] == [2, 3, 4, 5]


async def test_the_ring_is_bounded_in_bytes_but_keeps_the_newest(short, put):
    await put(short, "a", b"x" * 60)
    await put(short, "a", b"x" * 60)
    assert (short.stats().ring_events, short.stats().ring_bytes) == (1, 60)
    await put(short, "a", b"x" * 600)
    assert (short.stats().ring_events, short.stats().ring_bytes) == (1, 600)
    assert short.ring.floor == 2


async def test_an_encoded_event_is_shared_by_all_watchers(bucket, put):
    first, second = bucket.watch(0), bucket.watch(0)
    await put(bucket, "a")
    (event,) = first.ready()
    event.encoded = b"line"
    assert second.ready()[0].encoded == b"line"


async def test_many_watchers_all_see_every_event(bucket, put):
    async def follow(watcher):
        return [(await anext(watcher)).revision for _ in range(20)]

    following = [asyncio.ensure_future(follow(bucket.watch(0))) for _ in range(200)]
    for number in range(20):
        await put(bucket, f"n{number % 3}")
    assert await asyncio.gather(*following) == [list(range(1, 21))] * 200


async def test_a_namespace_is_watched_apart(bucket):
    watcher = bucket.watch(0, "one")
    for namespace, name in (("one", "a"), ("two", "b"), ("one", "c")):
        await bucket.put(namespace, name, lambda revision: b"{}", expected=0)
    assert [event.record.key.name for event in watcher.ready()] == ["a", "c"]
    assert watcher.revision == 3


async def test_events_of_other_namespaces_wake_no_one(bucket):
    watcher = bucket.watch(0, "one")
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    await bucket.put("two", "b", lambda revision: b"{}", expected=0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert watcher.revision == 1
    await bucket.put("one", "a", lambda revision: b"{}", expected=0)
    assert await waiting
    assert [event.record.key.name for event in watcher.ready()] == ["a"]


async def test_a_watcher_of_a_quiet_namespace_misses_nothing_while_others_are_dropped(short):
    watcher = short.watch(0, "quiet")
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    for index in range(20):
        await short.put("loud", f"l{index}", lambda revision: b"{}", expected=0)
    await asyncio.gather(*(short.put("quiet", name, lambda revision: b"{}", expected=0) for name in "ab"))
    assert await waiting
    assert [event.record.key.name for event in watcher.ready()] == ["a", "b"]
    for index in range(20):
        await short.put("loud", f"m{index}", lambda revision: b"{}", expected=0)
    assert watcher.ready() == []


async def test_a_watcher_of_a_namespace_that_misses_events_is_told(short):
    watcher = short.watch(0, "one")
    for index in range(20):
        await short.put("one", f"a{index}", lambda revision: b"{}", expected=0)
    with pytest.raises(Compacted):
        watcher.ready()


async def test_lanes_go_with_their_last_watcher(bucket):
    first, second = bucket.watch(0, "one"), bucket.watch(0, "one")
    first.close()
    await bucket.put("one", "a", lambda revision: b"{}", expected=0)
    assert len(second.ready()) == 1
    second.close()
    assert bucket.ring._lanes == {}
