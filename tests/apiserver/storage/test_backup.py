"""Copies taken while writing goes on, and the way back."""

import asyncio
import sqlite3
import stat

import pytest

from echelon.apiserver.storage import Compacted, Database, InUse, NewerFormat, StorageError, restore


@pytest.fixture
async def filled(open_database, put):
    """A store with ten records; its bucket."""
    database = open_database()
    bucket = database.keyspace("hub").bucket("/pods")
    await asyncio.gather(*(put(bucket, f"n{number}", b"x" * 3000) for number in range(10)))
    return database, bucket


async def test_a_backup_has_all_that_was_acknowledged(filled, open_database, put, delete, tmp_path):
    database, bucket = filled
    await delete(bucket, "n3")
    target = tmp_path / "backup.db"
    more = [asyncio.ensure_future(put(bucket, f"more{number}")) for number in range(200)]
    await database.backup(target)
    await asyncio.gather(*more)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copied = open_database(target).keyspace("hub").bucket("/pods")
    names = {record.key.name for record in copied.list()}
    assert names >= {f"n{number}" for number in range(10) if number != 3}
    assert copied.keyspace.revision == 11 + len(names) - 9
    assert copied.watch(10).ready()[0].type == "DELETED"


async def test_a_backup_replaces_an_older_one_and_leaves_nothing_else(filled, open_database, tmp_path):
    database, _ = filled
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "b.db").write_text("older")
    await database.backup(folder / "b.db")
    assert [file.name for file in folder.iterdir()] == ["b.db"]
    assert len(open_database(folder / "b.db").keyspace("hub").bucket("/pods")) == 10


async def test_a_backup_that_cannot_be_written_is_an_error(filled, open_database, tmp_path):
    database, _ = filled
    with pytest.raises(StorageError, match="cannot write"):
        await database.backup(tmp_path / "absent" / "b.db")
    with pytest.raises(StorageError, match="memory only"):
        await open_database(None).backup(tmp_path / "b.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        await database.backup(tmp_path / "folder")
    assert list(tmp_path.glob(".*")) == []


async def test_a_backup_does_not_overwrite_the_store_itself(filled, tmp_path):
    database, _ = filled
    (tmp_path / "link.db").symlink_to("store.db")
    for path in (tmp_path / "store.db", tmp_path / "link.db"):
        with pytest.raises(StorageError, match="the store itself"):
            await database.backup(path)


async def test_a_restored_store_is_as_it_was(filled, open_database, put, delete, tmp_path):
    database, bucket = filled
    await put(bucket, "n0")
    await delete(bucket, "n9")
    objects = list(bucket.list())
    await database.backup(tmp_path / "b.db")
    await put(bucket, "later")
    with pytest.raises(InUse):
        restore(tmp_path / "b.db", tmp_path / "store.db")
    await database.close()
    restore(tmp_path / "b.db", tmp_path / "store.db")
    reopened = open_database().keyspace("hub").bucket("/pods")
    assert list(reopened.list()) == objects
    assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600


async def test_revisions_of_a_restored_store_were_never_seen_before(filled, open_database, put, tmp_path):
    database, bucket = filled
    await database.backup(tmp_path / "b.db")
    for _ in range(20):
        await put(bucket, "n0")
    seen = bucket.keyspace.revision
    await database.close()
    restore(tmp_path / "b.db", tmp_path / "store.db")
    reopened = open_database().keyspace("hub").bucket("/pods")
    for revision in (5, 10, seen):
        with pytest.raises(Compacted):
            reopened.watch(revision)
        with pytest.raises(Compacted):
            await reopened.list_at(revision)
    now = reopened.keyspace.revision
    assert now > seen
    watcher = reopened.watch(now)
    assert (await put(reopened, "n0")).revision == now + 1
    (event,) = watcher.ready()
    assert (event.type, event.previous.revision) == ("MODIFIED", 1)


async def test_a_store_is_restored_where_none_was_or_over_a_damaged_one(filled, tmp_path):
    database, _ = filled
    await database.backup(tmp_path / "b.db")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all" * 100)
    damaged.with_name("damaged.db-wal").write_bytes(b"old")
    for path in (tmp_path / "new" / "store.db", damaged):
        restore(tmp_path / "b.db", path)
        restored = Database.open(path, summarize=len)
        assert len(restored.keyspace("hub").bucket("/pods")) == 10
        await restored.close()


async def test_a_wal_left_by_a_crash_is_not_taken_for_the_restored_stores(filled, open_database, put, tmp_path):
    database, bucket = filled
    await database.backup(tmp_path / "b.db")
    await put(bucket, "later")
    crashed = tmp_path / "crashed.db"
    for suffix in ("", "-wal"):
        crashed.with_name(crashed.name + suffix).write_bytes((tmp_path / f"store.db{suffix}").read_bytes())
    restore(tmp_path / "b.db", crashed)
    assert open_database(crashed).keyspace("hub").bucket("/pods").get("default", "later") is None


async def test_a_bad_backup_is_refused_before_anything_is_touched(filled, tmp_path):
    database, _ = filled
    await database.backup(tmp_path / "newer.db")
    connection = sqlite3.connect(tmp_path / "newer.db")
    with connection:
        connection.execute("UPDATE meta SET value = 9 WHERE key = 'format'")
    connection.close()
    await database.backup(tmp_path / "damaged.db")
    content = bytearray((tmp_path / "damaged.db").read_bytes())
    content[-8192:] = b"\xff" * 8192
    (tmp_path / "damaged.db").write_bytes(content)
    (tmp_path / "text.db").write_text("hello" * 1000)
    await database.close()
    before = (tmp_path / "store.db").read_bytes()
    for name, error in [
        ("newer", NewerFormat),
        ("damaged", StorageError),
        ("text", StorageError),
        ("no", StorageError),
    ]:
        with pytest.raises(error):
            restore(tmp_path / f"{name}.db", tmp_path / "store.db")
    assert (tmp_path / "store.db").read_bytes() == before
