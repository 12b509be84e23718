"""``kill -9`` at any instant loses nothing that was acknowledged.

A process writes from several tasks and tells each acknowledged write on a pipe. It is killed at
some point and the file is opened: every write told is there, or was replaced by a later one. The
next round goes on with the same file, whose history is so short that compaction is always at work.
"""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from echelon.apiserver.storage import Database, Keyspace, Limits

WRITER = """
import asyncio, os, sys
from pathlib import Path
from echelon.apiserver.storage import Database, Limits

def value(name, revision):
    return f"{name} {revision} ".encode() + bytes(1000 + revision % 2000)

async def write(bucket, task):
    count = 0
    while True:
        count += 1
        name = f"{task}-{count % 7}"
        latest = bucket.latest("default", name)
        if latest is not None and count % 5 == 0:
            record = await bucket.delete("default", name, lambda r: value(name, r), expected=latest.revision)
            verb = "deleted"
        else:
            expected = latest.revision if latest else 0
            record = await bucket.put("default", name, lambda r: value(name, r), expected=expected)
            verb = "stored"
        os.write(1, f"{bucket.keyspace.name} {verb} {name} {record.revision}\\n".encode())

async def main():
    database = Database.open(Path(sys.argv[1]), summarize=len, limits=Limits(history=50))
    buckets = [database.keyspace(name).bucket("/pods") for name in ("hub", "member")]
    await asyncio.gather(*(write(bucket, task) for bucket in buckets for task in range(8)))

asyncio.run(main())
"""


def write_and_kill(path: Path, acknowledgements: int) -> list[str]:
    """Run the writer until it has told so many writes, kill it, and give all it told."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(acknowledgements)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    assert all(line.endswith(b"\n") for line in told)
    return [line.decode() for line in told]


Told = dict[tuple[str, str], tuple[str, int]]
"""The last thing told of each object, by keyspace and name: ``stored`` or ``deleted``, and the revision."""


def check(database: Database[int], newest: Told) -> None:
    """What was told last of each object is its state, or a write followed that was durable but not told any more."""
    for (space, name), (verb, revision) in newest.items():
        bucket = database.keyspace(space).bucket("/pods")
        record = bucket.get("default", name)
        # At most one write of each task is not told, so these lie within the last events.
        events = [event for event in bucket.watch(bucket.ring.floor).ready() if event.record.key.name == name]
        last = events[-1] if events and events[-1].revision > revision else None
        if last is not None:
            verb, revision = ("deleted" if last.type == "DELETED" else "stored", last.revision)
        if verb == "deleted":
            assert record is None
        else:
            assert record is not None
            assert record.revision == revision
            assert record.value.startswith(f"{name} {revision} ".encode())
            assert len(record.value) >= 1000 + revision % 2000


async def crash(path: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    newest: Told = {}
    for _ in range(rounds):
        for line in write_and_kill(path, chance.randrange(1, 800)):
            space, verb, name, revision = line.split()
            newest[space, name] = (verb, int(revision))
        database = Database.open(path, summarize=len, limits=Limits(history=50))
        check(database, newest)
        assert all(has_no_gap(database.keyspace(space)) for space in database.keyspaces())
        await database.close()


def has_no_gap(keyspace: Keyspace[int]) -> bool:
    """Whether the log has no gap."""
    bucket = keyspace.bucket("/pods")
    revisions = [event.revision for event in bucket.watch(bucket.ring.floor).ready()]
    return revisions == list(range(bucket.ring.floor + 1, keyspace.revision + 1))


async def test_killing_the_writer_loses_nothing_acknowledged(tmp_path):
    await crash(tmp_path / "store.db", rounds=5)


@pytest.mark.soak
async def test_killing_the_writer_fifty_times_loses_nothing_acknowledged(tmp_path):
    await crash(tmp_path / "store.db", rounds=50)
