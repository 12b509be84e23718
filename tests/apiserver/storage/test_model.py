"""The store against a model that remembers everything, through random histories.

The model is a list of states, one for each revision. Checked all along: reads, lists of the past,
watchers that replay to the state, restarts and failed commits.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from echelon.apiserver.storage import Compacted, Database, Limits, RevisionMismatch, StorageFull
from echelon.apiserver.storage.log import Log

LIMITS = Limits(history=6, ring_events=4, ring_bytes=1000)
KEYS = st.sampled_from([(namespace, name) for namespace in ("", "a", "a-b", "b") for name in ("x", "y", "z")])
CHANGES = st.lists(st.tuples(KEYS, st.booleans()), min_size=1, max_size=6)

State = dict[tuple[str, str], tuple[bytes, int, int]]
"""What is stored: value, revision and creation of each key."""


def state_of(records):
    return {record.key[1:]: (record.value, record.revision, record.created) for record in records}


class Follower:
    """A client that lists, watches, and lists anew when it is told to."""

    def __init__(self, bucket):
        self.relist(bucket)

    def relist(self, bucket):
        self.state = state_of(bucket.list())
        self.watcher = bucket.watch(bucket.keyspace.revision)

    def resume(self, bucket):
        try:
            self.watcher = bucket.watch(self.watcher.revision)
        except Compacted:
            self.relist(bucket)

    def catch_up(self, bucket):
        try:
            events = self.watcher.ready()
        except Compacted:
            return self.relist(bucket)
        for event in events:
            record, key = event.record, event.record.key[1:]
            before = self.state.get(key)
            previous = event.previous and (event.previous.value, event.previous.revision, event.previous.created)
            assert before == previous
            if event.type == "DELETED":
                del self.state[key]
            else:
                assert event.type == ("ADDED" if before is None else "MODIFIED")
                self.state[key] = (record.value, record.revision, record.created)


class Store(RuleBasedStateMachine):
    """``path`` is where the store is, None in memory only."""

    path: Path | None = None

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.history: list[State] = [{}]
        self.open()
        self.followers = []

    def open(self):
        self.database = Database.open(self.path, summarize=len, synchronous="NORMAL", limits=LIMITS)
        self.bucket = self.database.keyspace("hub").bucket("/pods")

    def teardown(self):
        self.runner.run(self.database.close())
        self.runner.close()

    def apply(self, changes):
        """The model's states after changes, each of a key, and whether to delete it."""
        states = [self.history[-1]]
        for key, delete in changes:
            state, revision = dict(states[-1]), len(self.history) - 1 + len(states)
            if not delete:
                state[key] = (b"%d" % revision, revision, state[key][2] if key in state else revision)
            elif key in state:
                del state[key]
            else:
                continue
            states.append(state)
        return states[1:]

    async def change(self, key, delete):
        """Write on top of what is under way."""
        latest = self.bucket.latest(*key)
        if delete and latest is None:
            return None
        write = self.bucket.delete if delete else self.bucket.put
        return await write(*key, lambda revision: b"%d" % revision, expected=latest.revision if latest else 0)

    async def start(self, changes):
        """Begin changes one after the other, all before the first has ended; their outcomes."""
        outcomes = await asyncio.gather(*(self.change(*change) for change in changes), return_exceptions=True)
        return [outcome for outcome in outcomes if outcome is not None]

    @rule(changes=CHANGES)
    def write(self, changes):
        first = len(self.history)
        records = self.runner.run(self.start(changes))
        self.history += self.apply(changes)
        assert [record.revision for record in records] == list(range(first, len(self.history)))

    @rule(key=KEYS, offset=st.integers(1, 3), delete=st.booleans())
    def write_over_another_state(self, key, offset, delete):
        write = self.bucket.delete if delete else self.bucket.put
        found = self.history[-1].get(key, (b"", 0, 0))[1]
        with pytest.raises(RevisionMismatch) as refused:
            self.runner.run(write(*key, lambda _: b"", expected=found + offset))
        assert refused.value.found == found

    @precondition(lambda self: self.path is not None)
    @rule(changes=CHANGES)
    def write_to_a_full_disk(self, changes):
        with patch.object(Log, "append", side_effect=StorageFull("no space left")):
            outcomes = self.runner.run(self.start(changes))
        assert all(isinstance(outcome, StorageFull) for outcome in outcomes)

    @precondition(lambda self: self.path is not None)
    @rule()
    def restart(self):
        self.runner.run(self.database.close())
        self.open()
        for follower in self.followers:
            follower.resume(self.bucket)

    @precondition(lambda self: len(self.followers) < 3)
    @rule()
    def follow(self):
        self.followers.append(Follower(self.bucket))

    @rule(choice=st.randoms(use_true_random=False))
    def catch_up(self, choice):
        for follower in self.followers:
            if choice.random() < 0.5:
                follower.catch_up(self.bucket)
                assert follower.state == self.history[-1]
                assert follower.watcher.revision == len(self.history) - 1

    @rule(
        back=st.integers(0, 12),
        namespace=st.sampled_from([None, "", "a", "b", "c"]),
        after=st.none() | KEYS,
        limit=st.none() | st.integers(1, 5),
    )
    def list_the_past(self, back, namespace, after, limit):
        newest = len(self.history) - 1
        revision = max(0, newest - back)
        kept = LIMITS.history if self.path else LIMITS.ring_events
        try:
            page = self.runner.run(self.bucket.list_at(revision, namespace, after=after, limit=limit))
        except Compacted:
            assert revision < newest - kept
            return
        expected = [
            (key, state)
            for key, state in sorted(self.history[revision].items())
            if namespace in (None, key[0]) and (after is None or key > after)
        ]
        assert list(state_of(page.records).items()) == expected[:limit]
        assert page.remaining == len(expected) - len(page.records)

    @invariant()
    def reads_are_right(self):
        newest = self.history[-1]
        assert self.bucket.keyspace.revision == len(self.history) - 1
        assert list(state_of(self.bucket.list()).items()) == sorted(newest.items())
        for namespace in ("", "a", "a-b"):
            inside = {key for key in newest if key[0] == namespace}
            assert {record.key[1:] for record in self.bucket.list(namespace)} == inside
        for record in self.bucket.list():
            assert self.bucket.get(*record.key[1:]) is self.bucket.latest(*record.key[1:]) is record


class StoreInFile(Store):
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "store.db"
        super().__init__()

    def teardown(self):
        super().teardown()
        shutil.rmtree(self.folder)


TestStoreInFile = StoreInFile.TestCase
TestStoreInFile.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStoreInMemory = Store.TestCase
TestStoreInMemory.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
