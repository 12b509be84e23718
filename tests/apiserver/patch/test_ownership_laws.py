"""What holds of ownership whatever is written: laws over random writes."""

import copy
import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch.fieldset import covers, decode, intersection, path_text, paths, union
from echelon.apiserver.patch.schema_tree import no_references
from echelon.apiserver.patch.type_tree import TypeTree
from echelon.apiserver.patch.typed import field_set, with_declared_parents

from .objects import SPECS
from .store import SCHEMA, Store, document

MANAGERS = st.sampled_from(["alice", "bob", "carol"])
WRITES = st.lists(
    st.tuples(st.sampled_from(["apply", "force", "update", "patch"]), MANAGERS, SPECS, st.sampled_from(["v1", "v2"])),
    min_size=1,
    max_size=6,
)
LAWS = settings(max_examples=120, deadline=None)


def played(writes):
    store = Store()
    for how, manager, spec, version in writes:
        if how == "apply":
            with suppress(StatusError):
                store.apply(manager, spec, version=version)
        elif how == "force":
            store.apply(manager, spec, force=True, version=version)
        elif how == "update" or store.live is None:
            store.update(manager, spec, version=version)
        else:
            store.patch(manager, spec, version=version)
    return store


ROOT = TypeTree(no_references).root(SCHEMA)


def named(spec):
    return field_set(document(spec), ROOT)


def everything_in(live):
    return with_declared_parents(field_set(live, ROOT), ROOT)


@LAWS
@given(WRITES)
def test_managers_own_only_fields_that_exist(writes):
    store = played(writes)
    for entry in store.entries:
        assert covers(everything_in(store.live), entry["fieldsV1"])


@LAWS
@given(WRITES)
def test_entries_are_canonical_and_own_something(writes):
    store = played(writes)
    for entry in store.entries:
        assert entry["fieldsV1"]
        assert decode(entry["fieldsV1"]) == entry["fieldsV1"]
    identities = [(e["manager"], e["operation"], e["apiVersion"]) for e in store.entries]
    assert len(set(identities)) == len(identities)


@LAWS
@given(WRITES, MANAGERS, SPECS)
def test_applying_twice_is_applying_once(writes, manager, spec):
    store = played(writes)
    store.apply(manager, spec, force=True)
    once = copy.deepcopy(store.live)
    store.apply(manager, spec)
    assert store.live == once


@LAWS
@given(WRITES, MANAGERS, SPECS)
def test_what_is_applied_by_force_is_there_and_owned(writes, manager, spec):
    store = played(writes)
    store.apply(manager, spec, force=True)
    assert covers(everything_in(store.live), named(spec))
    entry = [e for e in store.entries if (e["manager"], e["operation"]) == (manager, "Apply")]
    wanted = {path for path in paths(named(spec)) if path[0] == "f:spec"}
    assert {path for e in entry for path in paths(e["fieldsV1"])} == wanted
    assert laid_over(store.spec, spec) == store.spec


def laid_over(live, spec):
    store = Store()
    store.update("x", live)
    return store.apply("y", spec, force=True)


@LAWS
@given(SPECS, SPECS)
def test_configurations_without_common_fields_may_come_in_any_order(one, other):
    first, second = Store(), Store()
    first.apply("alice", one)
    second.apply("bob", other)
    if intersection(named(one), named(other)):
        return
    first.apply("bob", other)
    second.apply("alice", one)
    assert unordered(first.spec) == unordered(second.spec)
    assert first.owners() == second.owners()


def unordered(value, name=""):
    if isinstance(value, dict):
        return {key: unordered(member, key) for key, member in value.items()}
    if isinstance(value, list) and name != "args":
        return sorted((unordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


@LAWS
@given(SPECS, SPECS)
def test_who_stops_naming_a_field_removes_it_unless_it_is_shared(one, other):
    store = Store()
    store.apply("alice", one)
    store.apply("bob", other, force=True)
    alone = Store()
    alone.apply("bob", other)
    store.apply("alice")
    assert unordered(store.spec or {}) == unordered(alone.spec or {})
    assert set(store.owners()) <= {"bob"}


@LAWS
@given(WRITES, MANAGERS, SPECS)
def test_an_apply_that_fails_would_have_changed_what_others_own(writes, manager, spec):
    store = played(writes)
    before = copy.deepcopy(store.live)
    others = owned_by_others(store, manager)
    fields = conflicts(store, manager, spec)
    if fields:
        assert store.live == before
    assert fields <= others


def conflicts(store, manager, spec):
    try:
        store.apply(manager, spec)
    except StatusError as error:
        return {cause["field"] for cause in error.details["causes"]}
    return set()


def owned_by_others(store, manager):
    """What other managers own; what nobody is known to own belongs to those who came before the first apply."""
    if not store.entries:
        return {path_text(path) for path in paths(everything_in(store.live))}
    others = {}
    for entry in store.entries:
        if (entry["manager"], entry["operation"]) != (manager, "Apply"):
            others = union(others, entry["fieldsV1"])
    return {path_text(path) for path in paths(others)}
