"""Group commit, and what happens when a commit fails."""

import asyncio
import resource
import sqlite3
from contextlib import contextmanager

import pytest

from echelon.apiserver.storage import Database, StorageError, StorageFull, writer
from echelon.apiserver.storage.log import Log


@pytest.fixture
def appends(monkeypatch):
    """The sizes of the batches appended; an exception put into ``failing`` is raised by the next append."""

    class Appends(list):
        failing: list[BaseException]

    appends = Appends()
    appends.failing = []
    append = Log.append

    def spy(self, rows, new_spaces=()):
        if appends.failing:
            raise appends.failing.pop()
        append(self, rows, new_spaces)
        appends.append(len(rows))

    monkeypatch.setattr(Log, "append", spy)
    return appends


async def test_writes_that_wait_together_share_commits(open_database, put, appends):
    database = open_database()
    buckets = [database.keyspace(f"space{number % 4}").bucket("/pods") for number in range(2000)]
    await asyncio.gather(*(put(bucket, f"n{number}") for number, bucket in enumerate(buckets)))
    assert sum(appends) == 2000
    assert len(appends) < 200
    assert max(appends) <= 512


async def test_large_writes_do_not_wait_for_many_others(open_database, put, appends):
    bucket = open_database().keyspace("hub").bucket("/pods")
    await asyncio.gather(*(put(bucket, f"n{number}", b"x" * 3_000_000) for number in range(8)))
    assert max(appends) <= 3


async def test_a_failed_commit_fails_all_writes_under_way_and_nothing_else(open_database, put, appends):
    database = open_database()
    hub, member = database.keyspace("hub").bucket("/pods"), database.keyspace("member").bucket("/pods")
    before = await put(hub, "a", b"before")
    watcher = hub.watch(1)
    appends.failing.append(StorageFull("no space left"))
    writes = [asyncio.ensure_future(put(hub, "a")), asyncio.ensure_future(put(hub, "a"))]
    writes += [asyncio.ensure_future(put(hub, "b")), asyncio.ensure_future(put(member, "a"))]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StorageFull] * 4
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert hub.latest("default", "a") is hub.get("default", "a") is before
    assert hub.latest("default", "b") is None
    assert watcher.ready() == []
    assert (hub.keyspace.revision, member.keyspace.revision) == (1, 0)

    assert (await put(hub, "a")).revision == 2
    assert (await put(member, "a")).revision == 1
    assert [event.revision for event in watcher.ready()] == [2]
    await database.close()
    reopened = open_database()
    assert reopened.keyspace("hub").bucket("/pods").get("default", "a").value == b"a@2"
    assert reopened.keyspace("member").revision == 1


async def test_a_log_that_fails_does_not_end_the_thread(open_database, put, appends, monkeypatch):
    """What is logged may go to the same full disk."""

    def fail(*arguments, **fields):
        raise OSError("no space left")

    bucket = open_database().keyspace("hub").bucket("/pods")
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
    monkeypatch.setattr(writer.logger, "error", fail)
    appends.failing.append(StorageFull("no space left"))
    with pytest.raises(StorageFull):
        await put(bucket, "a")
    assert (await put(bucket, "a")).revision == 1
    assert [type(error) for error in told] == [OSError]


async def test_a_cancelled_writer_does_not_mind_a_failure(open_database, put, appends):
    bucket = open_database().keyspace("hub").bucket("/pods")
    appends.failing.append(StorageError("broken"))
    given_up, failed = asyncio.ensure_future(put(bucket, "a")), asyncio.ensure_future(put(bucket, "b"))
    await asyncio.sleep(0)
    given_up.cancel()
    with pytest.raises(StorageError, match="broken"):
        await failed
    assert (await put(bucket, "a")).revision == 1


async def test_a_value_that_cannot_be_stored_fails_and_the_thread_lives(open_database, put):
    bucket = open_database().keyspace("hub").bucket("/pods")
    with pytest.raises(StorageError, match="UnicodeEncodeError"):
        await put(bucket, "\ud800", b"a lone surrogate")
    assert (await put(bucket, "a")).revision == 1


async def fill(bucket, put):
    for number in range(100):
        await put(bucket, f"n{number}", b"x" * 2000)


async def test_a_full_file_refuses_writes_until_there_is_room(open_database, put):
    database = open_database()
    bucket = database.keyspace("hub").bucket("/pods")
    await put(bucket, "a")
    connection = database._log._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFull, match="no space left"):
        await fill(bucket, put)
    stored = [record.key.name for record in bucket.list()]
    connection.execute("PRAGMA max_page_count = 100000")
    await put(bucket, "z")
    await database.close()
    assert [record.key.name for record in open_database().keyspace("hub").bucket("/pods").list()] == [*stored, "z"]


async def test_a_full_file_refuses_the_first_write_of_a_keyspace(open_database, put):
    database = open_database()
    connection = database._log._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    bucket = database.keyspace("hub").bucket("/pods")
    with pytest.raises(StorageFull):
        await put(bucket, "a", b"x" * 100_000)
    connection.execute("PRAGMA max_page_count = 100000")
    assert (await put(bucket, "a")).revision == 1
    await database.close()
    assert open_database().keyspaces() == ["hub"]


@contextmanager
def file_size_limit(size):
    """Let the operating system refuse to write files beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_writes_the_operating_system_refuses_leave_no_trace(open_database, put, tmp_path):
    database = open_database()
    bucket = database.keyspace("hub").bucket("/pods")
    await put(bucket, "a")
    wal = tmp_path / "store.db-wal"
    with file_size_limit(wal.stat().st_size + 20_000), pytest.raises(StorageError):
        await fill(bucket, put)
    stored = list(bucket.list())
    await put(bucket, "z")
    await database.close()
    reopened = open_database().keyspace("hub").bucket("/pods")
    assert list(reopened.list())[:-1] == stored
    assert reopened.get("default", "z").revision == len(stored) + 1


def test_writes_that_end_after_their_loop_are_stored(tmp_path):
    database = Database.open(tmp_path / "store.db", summarize=len)
    bucket = database.keyspace("hub").bucket("/pods")

    async def leave() -> None:
        task = asyncio.ensure_future(bucket.put("", "a", lambda _: b"1", expected=0))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    asyncio.run(database.close())
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT name FROM log").fetchall() == [("a",)]
    connection.close()
