"""Server-side apply: conflicts, shared fields, removal of what is named no more."""

import pytest

from echelon.apiserver.errors import StatusError

from .store import STRING, Store, items, record


@pytest.fixture
def store():
    return Store()


def conflict(act):
    with pytest.raises(StatusError) as raised:
        act()
    error = raised.value
    assert (error.code, error.reason) == (409, "Conflict")
    assert {cause["reason"] for cause in error.details["causes"]} == {"FieldManagerConflict"}
    return error


def parts(*names, **more):
    return {"parts": [{"name": name, **more} for name in names]}


def names(spec):
    return [part["name"] for part in spec.get("parts", [])]


def test_the_first_apply_creates(store):
    store.apply("alice", {"replicas": 1, "labels": {"a": "1"}})
    assert store.spec == {"replicas": 1, "labels": {"a": "1"}}
    assert store.entries == [
        {
            "manager": "alice",
            "operation": "Apply",
            "apiVersion": "example.com/v1",
            "time": "2030-01-01T00:00:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:labels": {"f:a": {}}}},
        }
    ]


def test_applying_the_same_again_changes_nothing(store):
    store.apply("alice", {"replicas": 1, **parts("a")})
    before = store.live
    store.apply("alice", {"replicas": 1, **parts("a")})
    assert store.live == before


# Conflicts


def test_changing_what_another_applied_is_a_conflict(store):
    store.apply("alice", {"colour": "blue"})
    error = conflict(lambda: store.apply("bob", {"colour": "red"}))
    assert error.message == 'Apply failed with 1 conflict: conflict with "alice": .spec.colour'
    assert error.details["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "alice"', "field": ".spec.colour"}
    ]
    assert store.spec == {"colour": "blue"}


def test_changing_what_another_wrote_is_a_conflict(store):
    store.apply("alice", {"colour": "blue"})
    store.patch("dave", {"colour": "red"})
    error = conflict(lambda: store.apply("alice", {"colour": "blue"}))
    assert error.message == 'Apply failed with 1 conflict: conflict with "dave" using example.com/v1: .spec.colour'


def test_several_conflicts_are_told_by_owner(store):
    store.apply("bob", {"replicas": 1})
    store.apply("alice", {"colour": "blue", **parts("a", count=1)})
    error = conflict(lambda: store.apply("carol", {"replicas": 2, "colour": "red", **parts("a", count=2)}))
    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "alice":\n- .spec.colour\n- .spec.parts[name="a"].count\n'
        'conflicts with "bob":\n- .spec.replicas'
    )
    assert [cause["field"] for cause in error.details["causes"]] == [
        ".spec.colour",
        '.spec.parts[name="a"].count',
        ".spec.replicas",
    ]


def test_conflicts_tell_the_subresource(store):
    store.apply("alice", {})
    store.patch("ctl", status={"ready": 1}, subresource="status")
    error = conflict(lambda: store.apply("bob", status={"ready": 2}, subresource="status"))
    assert error.message.endswith('"ctl" with subresource "status" using example.com/v1: .status.ready')


def test_the_same_value_is_shared(store):
    store.apply("alice", {"colour": "blue"})
    store.apply("bob", {"colour": "blue", "replicas": 1})
    assert store.owners() == {"alice": [".spec.colour"], "bob": [".spec.colour", ".spec.replicas"]}


def test_both_owners_must_be_overruled(store):
    store.apply("alice", {"colour": "blue"})
    store.apply("bob", {"colour": "blue"})
    error = conflict(lambda: store.apply("alice", {"colour": "red"}))
    assert '"bob"' in error.message
    store.apply("alice", {"colour": "red"}, force=True)
    assert store.owners() == {"alice": [".spec.colour"]}


def test_force_takes_the_field_and_nothing_else(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.apply("bob", {"colour": "red"}, force=True)
    assert store.spec == {"colour": "red", "replicas": 1}
    assert store.owners() == {"alice": [".spec.replicas"], "bob": [".spec.colour"]}


def test_adding_inside_a_map_is_no_conflict(store):
    store.apply("alice", {"labels": {"a": "1"}})
    store.apply("bob", {"labels": {"b": "2"}})
    assert store.spec == {"labels": {"a": "1", "b": "2"}}


def test_adding_to_a_list_of_items_is_no_conflict(store):
    store.apply("alice", parts("a", count=1))
    store.apply("bob", parts("b", count=1))
    store.apply("carol", parts("a", image="x"))
    assert store.spec == {"parts": [{"name": "a", "count": 1, "image": "x"}, {"name": "b", "count": 1}]}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({"args": ["a"]}, {"args": ["a", "b"]}),
        ({"selector": {"matchLabels": {"a": "1"}}}, {"selector": {"matchLabels": {"a": "1", "b": "2"}}}),
        ({"free": {"list": [1]}}, {"free": {"list": [1, 2]}}),
    ],
)
def test_atomic_values_have_one_owner(store, mine, theirs):
    store.apply("alice", mine)
    conflict(lambda: store.apply("bob", theirs))
    store.apply("bob", theirs, force=True)
    assert store.spec == theirs
    assert set(store.owners()) == {"bob"}


# Removal


def test_what_is_named_no_more_is_removed(store):
    store.apply("alice", {"replicas": 1, "colour": "blue"})
    store.apply("alice", {"replicas": 1})
    assert store.spec == {"replicas": 1}
    assert store.owners() == {"alice": [".spec.replicas"]}


def test_what_another_applier_names_stays(store):
    store.apply("alice", {"replicas": 1, "colour": "blue"})
    store.apply("bob", {"colour": "blue"})
    store.apply("alice", {"replicas": 1})
    assert store.spec == {"replicas": 1, "colour": "blue"}
    assert store.owners() == {"alice": [".spec.replicas"], "bob": [".spec.colour"]}


def test_what_an_updater_took_over_stays(store):
    store.apply("alice", {"colour": "blue"})
    store.patch("dave", {"colour": "red"})
    store.apply("alice", {})
    assert store.spec == {"colour": "red"}


def test_what_nobody_named_stays(store):
    store.update("dave", {"replicas": 1, "nested": {"inner": {"a": "x"}}})
    store.apply("alice", {"colour": "blue"})
    store.apply("alice", {})
    assert store.spec == {"replicas": 1, "nested": {"inner": {"a": "x"}}}


def test_a_manager_that_names_nothing_has_no_entry(store):
    store.apply("alice", {"colour": "blue"})
    store.apply("bob", {"replicas": 1})
    store.apply("bob")
    assert store.spec == {"colour": "blue"}
    assert set(store.owners()) == {"alice"}


def test_a_container_goes_with_its_last_owned_field(store):
    store.apply("alice", {"nested": {"inner": {"a": "x"}}, "colour": "blue"})
    store.apply("alice", {"colour": "blue"})
    assert store.spec == {"colour": "blue"}


def test_a_container_stays_for_the_fields_of_others(store):
    store.apply("alice", {"nested": {"inner": {"a": "x"}}})
    store.patch("dave", {"nested": {"inner": {"b": "y"}}})
    store.apply("alice", {})
    assert store.spec == {"nested": {"inner": {"b": "y"}}}


def test_an_empty_container_that_is_named_stays(store):
    store.apply("alice", {"labels": {"a": "1"}})
    store.apply("alice", {"labels": {}})
    assert store.spec == {"labels": {}}
    assert store.owners() == {"alice": [".spec.labels"]}


def test_items_go_and_stay_by_owner(store):
    store.apply("alice", parts("a", "b", "c"))
    store.apply("bob", parts("c", "d"))
    store.apply("alice", parts("a"))
    assert names(store.spec) == ["a", "c", "d"]


def test_members_of_sets_go_and_stay_by_owner(store):
    store.apply("alice", {"tags": ["a", "b", "c"]})
    store.patch("dave", {"tags": ["a", "b", "c", "e"]})
    store.apply("bob", {"tags": ["c", "d"]})
    store.apply("alice", {"tags": ["a"]})
    assert sorted(store.spec["tags"]) == ["a", "c", "d", "e"]


def test_an_item_that_another_names_keeps_only_what_others_own(store):
    store.apply("alice", {"parts": [{"name": "b", "count": 1, "tags": ["c"]}]})
    store.apply("bob", {"parts": [{"name": "b", "tags": ["d"]}]})
    store.patch("dave", {"parts": [{"name": "b", "count": 1, "tags": ["c", "d", "e"]}]})
    store.apply("alice", {})
    assert store.spec == {"parts": [{"name": "b", "tags": ["d", "e"]}]}


def test_an_item_goes_with_what_updaters_put_into_it(store):
    store.apply("alice", parts("a", "b"))
    store.patch("dave", {"parts": [{"name": "a"}, {"name": "b", "count": 7}]})
    store.apply("alice", parts("a"))
    assert store.spec == parts("a")
    assert set(store.owners()) == {"alice"}


def test_maps_of_anything_lose_only_what_was_owned(store):
    store.apply("alice", {"free": {"a": {"b": 1}, "c": {"d": 1}}})
    store.apply("bob", {"free": {"c": {"d": 1}}})
    store.patch("dave", {"free": {"c": {"e": 2}}})
    store.apply("alice", {})
    assert store.spec == {"free": {"c": {"d": 1, "e": 2}}}


def test_keys_with_defaults_name_the_same_item(store):
    store.apply("alice", {"ports": [{"port": 80, "name": "web"}]})
    store.apply("alice", {"ports": [{"port": 80, "protocol": "TCP", "name": "www"}]})
    assert store.spec == {"ports": [{"port": 80, "protocol": "TCP", "name": "www"}]}


# Versions


def test_an_applier_may_change_versions(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.apply("alice", {"colour": "blue"}, version="v2")
    assert store.spec == {"colour": "blue"}
    assert [entry["apiVersion"] for entry in store.entries] == ["example.com/v2"]


def test_conflicts_reach_across_versions(store):
    store.apply("alice", {"colour": "blue"})
    conflict(lambda: store.apply("bob", {"colour": "red"}, version="v2"))
    store.apply("bob", {"colour": "red"}, version="v2", force=True)
    assert store.owners() == {"bob": [".spec.colour"]}


def test_entries_of_versions_no_longer_served_count_for_nothing(store):
    store.apply("alice", {"colour": "blue"})
    store.apply("bob", {"replicas": 1})
    store.entries[0]["apiVersion"] = "example.com/v0"
    store.apply("bob", {"colour": "red"})
    assert store.spec == {"colour": "red"}
    assert store.owners() == {"bob": [".spec.colour"]}


def test_a_list_that_became_atomic_is_owned_as_a_whole():
    store = Store(record(spec=record(tags=items(STRING, "set"))))
    store.apply("alice", {"tags": ["a"]})
    later = Store(record(spec=record(tags=items(STRING))))
    later.live = store.live
    conflict(lambda: later.apply("bob", {"tags": ["b"]}))
    later.apply("alice", {"tags": ["c"]})
    assert later.owners() == {"alice": [".spec.tags"]}


# Times


def test_only_what_changed_has_a_new_time(store):
    store.apply("alice", {"colour": "blue"})
    store.apply("bob", {"replicas": 1})
    store.apply("alice", {"colour": "red"})
    assert store.times() == {"alice": "03", "bob": "02"}


def test_a_change_of_owners_alone_is_a_change(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.apply("bob", {"colour": "blue"})
    store.apply("alice", {"replicas": 1})
    assert store.times() == {"alice": "03", "bob": "02"}


def test_losing_a_field_is_no_new_time(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.apply("bob", {"colour": "red"}, force=True)
    assert store.times() == {"alice": "01", "bob": "02"}


# Bodies


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"unknown": 1}, ".spec.unknown: field not declared in schema"),
        ({"replicas": "1"}, ".spec.replicas: expected numeric (int or float), got string"),
    ],
)
def test_what_does_not_fit_the_schema_cannot_be_applied(store, spec, fault):
    with pytest.raises(StatusError) as raised:
        store.apply("alice", spec, metadata={"namespace": "n"})
    assert raised.value.code == 400
    assert raised.value.message == (f"failed to create typed patch object (n/w; example.com/v1, Kind=Widget): {fault}")


def test_all_that_does_not_fit_is_told(store):
    with pytest.raises(StatusError, match=r"errors:\n  .spec.a: field not declared in schema\n  .spec.b: field"):
        store.apply("alice", {"a": 1, "b": 2})


# Status


def test_status_is_applied_through_its_subresource_only(store):
    store.apply("alice", {"colour": "blue"}, status={"ready": 9})
    assert "status" not in store.live
    store.apply("ctl", {"colour": "red"}, status={"ready": 1}, subresource="status", metadata={"labels": {"a": "b"}})
    assert (store.spec, store.live["status"]) == ({"colour": "blue"}, {"ready": 1})
    assert "labels" not in store.live["metadata"]
    assert store.owners() == {"alice": [".spec.colour"], "ctl": [".status.ready"]}
    assert [entry.get("subresource") for entry in store.entries] == [None, "status"]


def test_one_manager_has_entries_for_the_object_and_for_its_status(store):
    store.apply("ctl", {"colour": "blue"})
    store.apply("ctl", status={"ready": 1}, subresource="status")
    store.apply("ctl", {"colour": "red"})
    assert store.live["status"] == {"ready": 1}
    assert len(store.entries) == 2


def test_without_a_status_subresource_status_is_a_field_like_others():
    store = Store(status=False)
    store.apply("alice", {"colour": "blue"}, status={"ready": 1})
    assert store.owners() == {"alice": [".spec.colour", ".status.ready"]}


# Metadata


def test_identity_is_not_owned_labels_and_owner_references_are(store):
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    metadata = {"namespace": "n", "labels": {"a": "b"}, "finalizers": ["f"], "ownerReferences": [reference]}
    store.apply("alice", metadata=metadata)
    assert store.owners() == {
        "alice": ['.metadata.finalizers[="f"]', ".metadata.labels.a", '.metadata.ownerReferences[uid="u"]']
    }
    store.apply("alice", metadata={"namespace": "n"})
    assert store.live["metadata"] == {"name": "w", "namespace": "n"}


# Objects that were made otherwise


def test_what_was_there_before_the_first_apply_belongs_to_a_manager_of_that_name(store):
    store.live = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "uid": "u"}}
    store.live["spec"] = {"colour": "blue"}
    store.apply("alice", {"replicas": 1})
    assert store.owners() == {"alice": [".spec.replicas"], "before-first-apply": [".spec", ".spec.colour"]}
    conflict(lambda: store.apply("alice", {"colour": "red"}))


def test_server_side_apply_takes_over_from_client_side_apply(store):
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    applied = '{"apiVersion":"example.com/v1","kind":"Widget","spec":{"colour":"blue","replicas":1}}'
    metadata = {"annotations": {annotation: applied}}
    store.update("kubectl-client-side-apply", {"colour": "blue", "replicas": 5}, metadata=metadata)
    store.apply("kubectl", {"colour": "red"})
    assert store.spec == {"colour": "red", "replicas": 5}
    assert '"colour":"red"' in store.live["metadata"]["annotations"][annotation]
    error = conflict(lambda: store.apply("kubectl", {"colour": "red", "replicas": 2}))
    assert [cause["field"] for cause in error.details["causes"]] == [".spec.replicas"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"apiVersion":"example.com/v2","spec":{"colour":"blue"}}'])
def test_an_annotation_that_tells_nothing_excuses_nothing(store, text):
    metadata = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}
    store.update("kubectl-client-side-apply", {"colour": "blue"}, metadata=metadata)
    conflict(lambda: store.apply("kubectl", {"colour": "red"}))


def test_only_kubectl_takes_over(store):
    applied = '{"apiVersion":"example.com/v1","kind":"Widget","spec":{"colour":"blue"}}'
    metadata = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}}
    store.update("kubectl-client-side-apply", {"colour": "blue"}, metadata=metadata)
    conflict(lambda: store.apply("alice", {"colour": "red"}))
