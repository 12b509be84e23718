"""Records as readers and writers see them: compare-and-swap, lists, pages of the past."""

import asyncio

import pytest

from echelon.apiserver.storage import Compacted, FutureRevision, Key, Limits, RevisionMismatch


def names(records):
    return [record.key.name for record in records]


async def test_a_record_tells_its_key_revision_creation_and_summary(bucket):
    created = await bucket.put("default", "web", lambda revision: b"v%d" % revision, expected=0)
    replaced = await bucket.put("default", "web", lambda revision: b"value %d" % revision, expected=1)
    assert created.key == Key("apps/deployments", "default", "web")
    assert (created.value, created.revision, created.created, created.summary) == (b"v1", 1, 1, 2)
    assert (replaced.value, replaced.revision, replaced.created, replaced.summary) == (b"value 2", 2, 1, 7)
    assert bucket.get("default", "web") is replaced
    assert bucket.keyspace.revision == 2


async def test_a_name_used_again_is_a_new_creation(bucket, put, delete):
    await put(bucket, "web")
    gone = await delete(bucket, "web")
    again = await put(bucket, "web")
    assert (gone.revision, gone.created, gone.value) == (2, 1, b"web gone@2")
    assert (again.revision, again.created) == (3, 3)


@pytest.mark.parametrize(("expected", "found"), [(0, 1), (7, 1)])
async def test_a_write_over_another_state_is_refused(bucket, put, expected, found):
    await put(bucket, "web")
    with pytest.raises(RevisionMismatch) as refused:
        await bucket.put("default", "web", lambda _: b"", expected=expected)
    assert (refused.value.expected, refused.value.found) == (expected, found)
    with pytest.raises(RevisionMismatch):
        await bucket.delete("default", "web", lambda _: b"", expected=expected)


@pytest.mark.parametrize("expected", [0, 4])
async def test_what_does_not_exist_cannot_be_deleted(bucket, expected):
    with pytest.raises(RevisionMismatch) as refused:
        await bucket.delete("default", "web", lambda _: b"", expected=expected)
    assert refused.value.found == 0


async def test_writers_see_writes_under_way_and_readers_do_not(open_database):
    bucket = open_database().keyspace("hub").bucket("/pods")
    first = asyncio.ensure_future(bucket.put("default", "a", lambda _: b"1", expected=0))
    await asyncio.sleep(0)
    assert bucket.latest("default", "a").value == b"1"
    assert bucket.get("default", "a") is None
    assert bucket.list() == []
    with pytest.raises(RevisionMismatch):
        await bucket.put("default", "a", lambda _: b"2", expected=0)
    second = asyncio.ensure_future(bucket.put("default", "a", lambda _: b"2", expected=1))
    third = asyncio.ensure_future(bucket.delete("default", "a", lambda _: b"3", expected=2))
    await asyncio.sleep(0)
    assert bucket.latest("default", "a") is None
    assert [record.revision for record in await asyncio.gather(first, second, third)] == [1, 2, 3]
    assert bucket.get("default", "a") is None


async def test_an_encoder_that_fails_takes_no_revision(bucket, put):
    def broken(_: int) -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await bucket.put("default", "a", broken, expected=0)
    assert (await put(bucket, "a")).revision == 1


async def test_a_cancelled_writer_harms_nobody(open_database, put):
    bucket = open_database().keyspace("hub").bucket("/pods")
    given_up = asyncio.ensure_future(put(bucket, "a"))
    await asyncio.sleep(0)
    given_up.cancel()
    await put(bucket, "b")
    assert names(bucket.list()) == ["a", "b"]
    assert bucket.keyspace.revision == 2


async def test_lists_are_sorted_and_know_namespaces(bucket, put):
    for namespace, name in [("b", "z"), ("a", "z"), ("", "cluster"), ("b", "a"), ("b-c", "a"), ("a", "b")]:
        await put(bucket, name, namespace=namespace)
    everything = [record.key[1:] for record in bucket.list()]
    assert everything == [("", "cluster"), ("a", "b"), ("a", "z"), ("b", "a"), ("b", "z"), ("b-c", "a")]
    assert names(bucket.list("b")) == ["a", "z"]
    assert names(bucket.list("")) == ["cluster"]
    assert bucket.list("c") == []


async def test_buckets_share_the_revision_counter_and_keyspaces_do_not(open_database, put):
    database = open_database()
    hub, member = database.keyspace("hub"), database.keyspace("member1")
    await put(hub.bucket("/pods"), "a")
    await put(hub.bucket("/secrets"), "a")
    await put(member.bucket("/pods"), "a")
    assert (hub.revision, member.revision) == (2, 1)
    assert sorted(bucket.name for bucket in hub.buckets()) == ["/pods", "/secrets"]
    assert database.keyspace("hub") is hub
    assert database.keyspaces() == ["hub", "member1"]


@pytest.fixture(params=["ring", "file"])
async def past(request, open_database, put, delete):
    """A bucket with a past, answered from memory, or from the file since the ring is too short."""
    limits = Limits() if request.param == "ring" else Limits(ring_events=1)
    bucket = open_database(limits=limits).keyspace("hub").bucket("/pods")
    for name in "abcde":
        await put(bucket, name)
    await put(bucket, "x", namespace="other")
    await delete(bucket, "c")
    await put(bucket, "f")
    await put(bucket, "a")
    await delete(bucket, "f")
    await put(bucket, "g")
    return bucket


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (0, ""),
        (3, "a@1 b@2 c@3"),
        (6, "a@1 b@2 c@3 d@4 e@5 x@6"),
        (8, "a@1 b@2 d@4 e@5 f@8 x@6"),
        (9, "a@9 b@2 d@4 e@5 f@8 x@6"),
        (11, "a@9 b@2 d@4 e@5 g@11 x@6"),
    ],
)
async def test_the_past_is_listed_as_it_was(past, revision, expected):
    page = await past.list_at(revision)
    assert " ".join(record.value.decode() for record in page.records) == expected
    assert page.remaining == 0
    assert all(record.summary == len(record.value) for record in page.records)
    if revision > 3:
        assert page.records[0].created == 1


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
@pytest.mark.parametrize("revision", [6, 8, 11])
async def test_pages_of_one_revision_make_up_its_list(past, revision, limit):
    whole = (await past.list_at(revision)).records
    after, found = None, []
    while True:
        page = await past.list_at(revision, after=after, limit=limit)
        found += page.records
        assert page.remaining == len(whole) - len(found)
        if not page.remaining:
            break
        assert len(page.records) == limit
        after = page.records[-1].key[1:]
    assert found == list(whole)


async def test_pages_of_a_namespace_end_with_it(past):
    page = await past.list_at(6, "default", after=("default", "b"), limit=2)
    assert (names(page.records), page.remaining) == (["c", "d"], 1)
    assert names((await past.list_at(6, "other")).records) == ["x"]
    assert names((await past.list_at(6, "other", after=("default", "z"))).records) == ["x"]
    assert names((await past.list_at(6, "default", after=("other", "a"))).records) == []


async def test_the_future_cannot_be_listed_or_watched(past):
    with pytest.raises(FutureRevision) as refused:
        await past.list_at(12)
    assert (refused.value.requested, refused.value.current) == (12, 11)
    with pytest.raises(FutureRevision):
        past.watch(12)


async def test_in_memory_only_the_ring_is_all_the_past_there_is(open_database, put):
    bucket = open_database(None, limits=Limits(ring_events=2)).keyspace("hub").bucket("/pods")
    for _ in range(5):
        await put(bucket, "a")
    assert (await bucket.list_at(3)).records[0].value == b"a@3"
    with pytest.raises(Compacted) as refused:
        await bucket.list_at(2)
    assert (refused.value.requested, refused.value.oldest) == (2, 3)
