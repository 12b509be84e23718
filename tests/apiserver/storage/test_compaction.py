"""What compaction removes, what it keeps, and that it never stands in the way."""

import asyncio

import pytest

from echelon.apiserver.storage import Compacted, Limits, StorageFull
from echelon.apiserver.storage.compaction import STEP_REVISIONS, STEP_ROWS, Compactor
from echelon.apiserver.storage.log import Log, Row, Space

HUB = 1


@pytest.fixture
def log(tmp_path):
    log = Log(tmp_path / "store.db", "NORMAL")
    yield log
    log.close()


def append(log, *changes, space=HUB):
    """Append changes such as ``a`` and ``-a``, a deletion."""
    known = log.spaces.get(space) or Space(space, f"space{space}")
    rows = [
        Row(space, known.last + 1 + number, "/pods", "default", change[-1], change.startswith("-"), 1, b"value")
        for number, change in enumerate(changes)
    ]
    log.append(rows, [] if space in log.spaces else [known])


def left(log):
    return [("-" if row.deleted else "") + f"{row.name}{row.revision}" for row in Log.replay(log)]


def run(compactor):
    steps = 0
    while compactor.due:
        compactor.step()
        steps += 1
    return steps


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (7, ["a1", "b2", "a3", "-a4", "c5", "-b6", "c7"]),
        (5, ["a1", "b2", "a3", "-a4", "c5", "-b6", "c7"]),
        (4, ["b2", "a3", "-a4", "c5", "-b6", "c7"]),
        (3, ["b2", "c5", "-b6", "c7"]),
        (1, ["c5", "c7"]),
        (0, ["c7"]),
    ],
)
def test_the_state_at_the_mark_and_all_after_it_is_kept(log, history, expected):
    append(log, "a", "b", "a", "-a", "c", "-b", "c")
    run(Compactor(log, history))
    assert log.spaces[HUB].compacted == 7 - history
    counted = log.rows
    assert left(log) == expected
    assert counted == len(expected)


def test_compaction_is_due_a_tenth_beyond_the_history(log):
    compactor = Compactor(log, 100)
    append(log, *["a"] * 109)
    compactor.wrote([log.spaces[HUB]])
    assert not compactor.due
    append(log, "a")
    compactor.wrote([log.spaces[HUB]])
    run(compactor)
    assert (log.spaces[HUB].compacted, log.rows) == (10, 101)
    append(log, *["a"] * 9)
    compactor.wrote([log.spaces[HUB]])
    assert not compactor.due
    append(log, "a")
    compactor.wrote([log.spaces[HUB]])
    run(compactor)
    assert log.spaces[HUB].compacted == 20


def test_large_compactions_are_cut_into_steps(log):
    append(log, *["a"] * 1000)
    compactor = Compactor(log, 0)
    assert run(compactor) == -(-1000 // STEP_REVISIONS) + 1  # and a checkpoint
    assert left(log) == ["a1000"]
    assert log.path.with_name("store.db-wal").stat().st_size == 0


def test_keyspaces_are_compacted_one_by_one(log):
    append(log, "a", "a", "b", space=1)
    append(log, "a", "a", "a", "a", space=2)
    run(Compactor(log, 3))
    assert (log.spaces[1].compacted, log.spaces[2].compacted) == (0, 1)
    run(Compactor(log, 1))
    assert left(log) == ["a2", "b3", "a3", "a4"]


def test_rows_of_dropped_keyspaces_are_removed_now_or_at_the_next_start(log):
    append(log, "a", space=1)
    append(log, *["a"] * (STEP_ROWS + 1), space=2)
    log.forget(2)
    assert log.next_space() == 3
    compactor = Compactor(log, 10)
    compactor.step()
    assert log.rows == 2
    run(compactor)
    assert left(log) == ["a1"]
    append(log, "a", space=3)
    log.forget(3)
    compactor.dropped(3)
    run(compactor)
    assert log.orphans() == []


def test_a_failed_compaction_is_tried_again_when_the_next_is_due(log, monkeypatch):
    append(log, *["a"] * 30)
    compactor = Compactor(log, 10)

    def full(space, mark):
        raise StorageFull("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(log, "compact", full)
        compactor.step()
    assert not compactor.due
    assert log.spaces[HUB].compacted == 0
    append(log, "a")
    compactor.wrote([log.spaces[HUB]])
    run(compactor)
    assert log.spaces[HUB].compacted == 21


async def test_history_beyond_the_limit_is_refused(open_database, put):
    limits = Limits(history=20, ring_events=5)
    database = open_database(limits=limits)
    bucket = database.keyspace("hub").bucket("/pods")
    for _ in range(100):
        await put(bucket, "a")
    await put(bucket, "b")
    assert (await bucket.list_at(81)).records[0].value == b"a@81"
    await database.close()
    bucket = open_database(limits=limits).keyspace("hub").bucket("/pods")
    assert bucket.keyspace.revision == 101
    assert (await bucket.list_at(81)).records[0].value == b"a@81"
    with pytest.raises(Compacted) as refused:
        await bucket.list_at(70)
    assert refused.value.requested == 70
    with pytest.raises(Compacted):
        bucket.watch(70)
    assert bucket.get("default", "a").created == 1


async def test_a_bucket_emptied_and_compacted_does_not_promise_its_history(open_database, put, delete):
    limits = Limits(history=2)
    first = open_database(limits=limits)
    pods, other = first.keyspace("hub").bucket("/pods"), first.keyspace("hub").bucket("/secrets")
    await put(pods, "a")
    await delete(pods, "a")
    for _ in range(20):
        await put(other, "s")
    await first.close()
    pods = open_database(limits=limits).keyspace("hub").bucket("/pods")
    with pytest.raises(Compacted):
        pods.watch(0)
    assert pods.watch(pods.keyspace.revision).ready() == []


async def test_reading_the_past_and_compacting_it_do_not_meet(open_database, put):
    """A page is either right or refused, whatever is compacted meanwhile."""
    database = open_database(limits=Limits(history=50, ring_events=1))
    bucket = database.keyspace("hub").bucket("/pods")
    for name in "abc":
        await put(bucket, name)

    async def read() -> int:
        refused = 0
        for _ in range(40):
            revision = max(3, bucket.keyspace.revision - 45)
            try:
                page = await bucket.list_at(revision)
            except Compacted:
                refused += 1
            else:
                assert max(record.revision for record in page.records) == revision
                assert len(page.records) == 3
        return refused

    async def write() -> None:
        for number in range(400):
            await put(bucket, "abc"[number % 3])

    refused, _ = await asyncio.gather(read(), write())
    assert refused < 40


async def test_revisions_go_on_when_the_newest_rows_are_compacted_away(open_database, put, delete):
    limits = Limits(history=0)
    first = open_database(limits=limits)
    bucket = first.keyspace("hub").bucket("/pods")
    await put(bucket, "a")
    await put(bucket, "b")
    await delete(bucket, "b")
    await first.close()
    await open_database(limits=limits).close()
    bucket = open_database(limits=limits).keyspace("hub").bucket("/pods")
    assert [record.revision for record in bucket.list()] == [1]
    assert (await put(bucket, "c")).revision == 4
