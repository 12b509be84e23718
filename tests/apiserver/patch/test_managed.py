"""Entries of managedFields: reading what clients send, order, and drawing old updates together."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.patch.fieldset import from_paths, paths, union
from echelon.apiserver.patch.managed import (
    ANCIENT,
    APPLY,
    MAX_UPDATE_ENTRIES,
    UPDATE,
    Entry,
    asks_for_reset,
    capped,
    encoded,
    recorded,
    requested,
)


def entry(manager="m", operation=UPDATE, version="v1", *members, **more):
    return Entry(manager, operation, version, from_paths(*((f"f:{name}",) for name in members)), **more)


def obj(*entries):
    return {"metadata": {"managedFields": list(entries)}}


WIRE = {
    "manager": "bob",
    "operation": "Update",
    "apiVersion": "apps/v1",
    "time": "2030-01-01T00:00:00Z",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:status": {"f:replicas": {}}},
    "subresource": "status",
}


def test_an_entry_reads_and_writes_as_it_stands():
    assert encoded(recorded(obj(WIRE))) == encoded(requested(obj(WIRE))) == [WIRE]


def test_the_sets_of_stored_entries_are_not_copied():
    assert recorded(obj(WIRE))[0].fields is WIRE["fieldsV1"]


def test_entries_stand_in_order_of_operation_and_age():
    entries = [
        entry("u2", UPDATE, "v1", "a", time="2"),
        entry("u1", UPDATE, "v1", "a", time="1"),
        entry("b", APPLY, "v1", "a", time="3"),
        entry("a", APPLY, "v1", "a", time="3"),
        entry("u0", UPDATE, "v1", "a"),
    ]
    assert [e["manager"] for e in encoded(entries)] == ["a", "b", "u0", "u1", "u2"]


def test_an_applier_has_one_entry_an_updater_one_for_each_version():
    assert entry("a", APPLY, "v1").identity == entry("a", APPLY, "v2").identity
    assert entry("a", UPDATE, "v1").identity != entry("a", UPDATE, "v2").identity
    assert entry("a", APPLY, "v1").identity != entry("a", APPLY, "v1", subresource="status").identity


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (entry("alice", APPLY, "v1"), '"alice"'),
        (entry("bob", UPDATE, "apps/v1"), '"bob" using apps/v1'),
        (entry("ctl", UPDATE, "v1", subresource="status"), '"ctl" with subresource "status" using v1'),
        (entry("ctl", APPLY, "v1", subresource="status"), '"ctl" with subresource "status"'),
    ],
)
def test_entries_as_text(one, text):
    assert one.describe() == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operation": "Write"}, "operation must be"),
        ({"operation": None}, "operation must be"),
        ({"apiVersion": ""}, "apiVersion must not be empty"),
        ({"fieldsType": "FieldsV2"}, "fieldsType must be FieldsV1"),
        ({"fieldsV1": {"bad": {}}}, "path element"),
        ({"manager": 1}, "must be text"),
        ({"time": 1}, "must be text"),
    ],
)
def test_what_a_client_may_not_send(change, message):
    with pytest.raises(ValueError, match=message):
        requested(obj({**WIRE, **change}))


@pytest.mark.parametrize("value", [{"metadata": {"managedFields": "x"}}, obj("x")])
def test_entries_are_a_list_of_objects(value):
    with pytest.raises(ValueError, match="want "):
        requested(value)


@pytest.mark.parametrize(
    ("value", "reset"),
    [
        ([], True),
        ([{}], True),
        ([{"manager": ""}], True),
        ([{}, {}], False),
        ([WIRE], False),
        (None, False),
        ("x", False),
    ],
)
def test_how_a_client_asks_for_a_reset(value, reset):
    assert asks_for_reset(value) is reset


def updates(count, version="v1", start=0):
    return [entry(f"m{i}", UPDATE, version, f"x{i}", time=f"{i:03}") for i in range(start, start + count)]


def test_few_updates_are_left_as_they_are():
    entries = updates(MAX_UPDATE_ENTRIES)
    assert capped(entries) is entries


def test_appliers_do_not_count():
    entries = [entry(f"a{i}", APPLY, "v1", "x") for i in range(20)] + updates(MAX_UPDATE_ENTRIES)
    assert capped(entries) is entries


def test_the_oldest_updates_are_drawn_together():
    entries = {e.manager: e for e in capped(updates(12))}
    assert set(entries) == {ANCIENT, *(f"m{i}" for i in range(3, 12))}
    assert entries[ANCIENT].fields == from_paths(("f:x0",), ("f:x1",), ("f:x2",))
    assert entries[ANCIENT].time == "002"


def test_old_updates_join_those_drawn_together_before():
    entries = capped(updates(11))
    for number in range(11, 14):
        entries = capped([*entries, *updates(1, start=number)])
    ancient = next(e for e in entries if e.manager == ANCIENT)
    assert len(entries) == MAX_UPDATE_ENTRIES
    assert ancient.fields == from_paths(*((f"f:x{i}",) for i in range(5)))


def test_versions_are_drawn_together_apart():
    entries = capped([*updates(2, "v1"), *updates(2, "v2", 2), *updates(8, "v1", 4)])
    ancient = {e.api_version: set(e.fields) for e in entries if e.manager == ANCIENT}
    assert ancient == {"v1": {"f:x0", "f:x1"}, "v2": {"f:x2", "f:x3"}}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["v1", "v2"]), st.integers(0, 9)), max_size=30))
def test_no_field_gets_lost(found):
    entries = list(
        {e.identity: e for e in (entry(f"m{n}", UPDATE, v, f"x{n}", time=str(t)) for n, v, t in found)}.values()
    )
    rest = capped(entries)
    assert len(rest) <= max(MAX_UPDATE_ENTRIES, 2)
    for version in ("v1", "v2"):
        assert everything(rest, version) == everything(entries, version)


def everything(entries, version):
    together = {}
    for each in entries:
        if each.api_version == version:
            together = union(together, each.fields)
    return set(paths(together))
