"""A store as a whole: what survives a restart, who may open it, what it refuses."""

import asyncio
import sqlite3
import stat
from unittest.mock import Mock

import pytest

from echelon.apiserver.storage import Closed, Database, InUse, Key, Limits, NewerFormat, StorageError, StorageFull
from echelon.apiserver.storage.log import Log


async def test_everything_survives_a_restart(open_database, put, delete):
    first = open_database()
    pods, secrets = first.keyspace("hub").bucket("/pods"), first.keyspace("member").bucket("/secrets")
    await put(pods, "b")
    await put(pods, "a", namespace="z")
    await put(pods, "a")
    await put(pods, "c")
    await delete(pods, "c")
    await put(pods, "b")
    await put(secrets, "s", bytes(range(256)))
    records = [list(pods.list()), list(secrets.list())]
    events = [(event.type, event.record, event.previous) for event in pods.watch(0).ready()]
    await first.close()

    second = open_database()
    pods, secrets = second.keyspace("hub").bucket("/pods"), second.keyspace("member").bucket("/secrets")
    assert [list(pods.list()), list(secrets.list())] == records
    assert [(event.type, event.record, event.previous) for event in pods.watch(0).ready()] == events
    assert (second.keyspaces(), pods.keyspace.revision) == (["hub", "member"], 6)
    assert (await put(pods, "a")).revision == 7
    assert (await put(secrets, "t")).revision == 2


async def test_a_watcher_goes_on_after_a_restart(open_database, put, delete):
    first = open_database()
    bucket = first.keyspace("hub").bucket("/pods")
    await put(bucket, "a")
    await put(bucket, "b")
    await delete(bucket, "a")
    await first.close()
    (added, deleted) = open_database().keyspace("hub").bucket("/pods").watch(1).ready()
    assert (added.type, deleted.type, deleted.record.value) == ("ADDED", "DELETED", b"a gone@3")
    assert deleted.previous.value == b"a@1"


async def test_a_dropped_keyspace_is_gone_and_its_name_free(open_database, put, tmp_path):
    database = open_database()
    old = database.keyspace("member")
    await put(old.bucket("/pods"), "a")
    watcher = old.bucket("/pods").watch(0)
    await database.drop("member")
    assert watcher.closed
    with pytest.raises(Closed):
        await put(old.bucket("/pods"), "b")
    with pytest.raises(Closed):
        old.bucket("/pods").watch(0)
    new = database.keyspace("member")
    assert list(new.buckets()) == []
    assert (await put(new.bucket("/secrets"), "s")).revision == 1
    await database.drop("absent")
    await database.close()

    reopened = open_database()
    assert [bucket.name for bucket in reopened.keyspace("member").buckets()] == ["/secrets"]
    await reopened.close()
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("SELECT bucket FROM log").fetchall() == [("/secrets",)]
    connection.close()


async def test_a_keyspace_that_cannot_be_dropped_stays_closed_until_it_can(open_database, put, monkeypatch):
    database = open_database()
    old = database.keyspace("member").bucket("/pods")
    await put(old, "a")
    with monkeypatch.context() as patch:
        patch.setattr(Log, "forget", Mock(side_effect=StorageFull("no space left")))
        with pytest.raises(StorageFull):
            await database.drop("member")
    with pytest.raises(Closed):
        await put(database.keyspace("member").bucket("/pods"), "b")
    await database.drop("member")
    assert (await put(database.keyspace("member").bucket("/pods"), "b")).revision == 1


async def test_a_keyspace_that_was_never_written_can_be_dropped(open_database):
    database = open_database()
    database.keyspace("member")
    await database.drop("member")
    assert database.keyspaces() == []


async def test_writes_under_way_are_finished_by_closing(open_database, put):
    database = open_database()
    bucket = database.keyspace("hub").bucket("/pods")
    writes = [asyncio.ensure_future(put(bucket, f"n{number}")) for number in range(50)]
    await asyncio.sleep(0)
    await database.close()
    assert len(await asyncio.gather(*writes)) == 50
    with pytest.raises(Closed):
        await put(bucket, "late")
    with pytest.raises(Closed):
        database.keyspace("other")
    await database.close()
    assert len(open_database().keyspace("hub").bucket("/pods")) == 50


async def test_only_one_opens_a_store(open_database, tmp_path):
    database = open_database()
    with pytest.raises(InUse, match=r"store\.db is in use") as refused:
        open_database()
    assert refused.value.path == tmp_path / "store.db"
    (tmp_path / "link.db").symlink_to("store.db")
    with pytest.raises(InUse):
        open_database(tmp_path / "link.db")
    await database.close()
    open_database()


async def test_files_are_for_their_owner_only(open_database, put, tmp_path):
    database = open_database(tmp_path / "new" / "data" / "store.db")
    await put(database.keyspace("hub").bucket("/secrets"), "a")
    folder = tmp_path / "new" / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == dict.fromkeys(["store.db", "store.db-wal", "store.db-shm", "store.db.lock"], 0o600)


async def test_a_newer_format_is_refused_and_left_alone(open_database, tmp_path):
    await open_database().close()
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET value = 9 WHERE key = 'format'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerFormat, match=r"store\.db has format 9, this release reads formats up to 1") as refused:
        open_database()
    assert (refused.value.path, refused.value.found, refused.value.supported) == (path, 9, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"apiVersion: v1\n" * 200, b"SQLite format 3\x00" + b"\x00" * 2000])
async def test_what_is_no_database_is_refused(open_database, tmp_path, content):
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StorageError, match=r"store\.db"):
        open_database()
    assert (tmp_path / "store.db").read_bytes() == content


async def test_another_programs_database_is_refused(open_database, tmp_path):
    connection = sqlite3.connect(tmp_path / "store.db")
    with connection:
        connection.execute("CREATE TABLE meta (key, value)")
    connection.close()
    with pytest.raises(StorageError, match="not a store of this server"):
        open_database()


async def test_a_damaged_store_says_so(open_database, put, tmp_path):
    database = open_database()
    bucket = database.keyspace("hub").bucket("/pods")
    await asyncio.gather(*(put(bucket, f"n{number}", b"x" * 2000) for number in range(100)))
    await database.close()
    path = tmp_path / "store.db"
    content = bytearray(path.read_bytes())
    for page in range(8 * 8192, len(content), 8192):
        content[page : page + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        open_database()


async def test_a_folder_that_cannot_be_made_is_an_error(open_database, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot create"):
        open_database(tmp_path / "file" / "store.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot open"):
        open_database(tmp_path / "folder")


async def test_an_interrupted_creation_is_begun_anew(open_database, put, tmp_path):
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert (await put(open_database().keyspace("hub").bucket("/pods"), "a")).revision == 1


async def test_figures_tell_what_is_held(open_database, put, delete):
    database = open_database(limits=Limits(ring_events=2))
    bucket = database.keyspace("hub").bucket("/pods")
    for name in "abc":
        await put(bucket, name, b"12345")
    await delete(bucket, "a")
    watcher = bucket.watch(3)
    stats = database.stats()
    held = stats.keyspaces["hub"]["/pods"]
    assert (held.objects, held.ring_events, held.watchers) == (2, 2, 1)
    assert held.ring_bytes == len(b"12345" + b"a gone@4")
    assert (stats.rows, stats.under_way) == (4, 0)
    assert stats.bytes > 0
    watcher.close()
    memory = open_database(None)
    memory.keyspace("hub")
    assert (memory.stats().rows, memory.stats().keyspaces) == (0, {"hub": {}})


async def test_keys_hold_any_text(open_database, put):
    bucket = open_database().keyspace("hub").bucket("/pods")
    for name in ["ä", "a:b", "system:node%2F", "日本"]:
        await put(bucket, name)
    assert [record.key for record in bucket.list()] == sorted(
        Key("/pods", "default", name) for name in ["ä", "a:b", "system:node%2F", "日本"]
    )


def test_a_database_can_be_loaded_without_a_loop(tmp_path):
    async def fill() -> None:
        database = Database.open(tmp_path / "store.db", summarize=len)
        await database.keyspace("hub").bucket("/pods").put("", "a", lambda _: b"1", expected=0)
        await database.close()

    asyncio.run(fill())
    database = Database.open(tmp_path / "store.db", summarize=len)
    assert database.keyspace("hub").bucket("/pods").get("", "a").value == b"1"
    asyncio.run(database.close())
