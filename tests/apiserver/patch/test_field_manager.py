"""Ownership after creates, updates and patches; the frame of apply requests; writes that change nothing."""

import copy

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.patch import check_applied, unchanged

from .store import Store, document, owned


@pytest.fixture
def store():
    return Store()


def test_a_creator_owns_all_it_made(store):
    store.update("maker", {"labels": {"a": "1"}, "parts": [{"name": "p"}]}, metadata={"labels": {"l": "1"}})
    assert store.entries == [
        {
            "manager": "maker",
            "operation": "Update",
            "apiVersion": "example.com/v1",
            "time": "2030-01-01T00:00:01Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
                "f:spec": {
                    ".": {},
                    "f:labels": {".": {}, "f:a": {}},
                    "f:parts": {".": {}, 'k:{"name":"p"}': {".": {}, "f:name": {}}},
                },
            },
        }
    ]


def test_a_writer_owns_what_it_changed_and_others_lose_it(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.patch("dave", {"colour": "red", "labels": {"a": "1"}})
    assert store.owners() == {
        "alice": [".spec.replicas"],
        "dave": [".spec.colour", ".spec.labels", ".spec.labels.a"],
    }


def test_a_writer_keeps_what_it_owned_before(store):
    store.update("dave", {"colour": "blue"})
    store.patch("dave", {"replicas": 1})
    assert store.owners() == {"dave": [".spec", ".spec.colour", ".spec.replicas"]}
    assert store.times() == {"dave": "02"}


def test_what_is_removed_is_owned_by_nobody(store):
    store.apply("alice", {"colour": "blue", "replicas": 1})
    store.patch("dave", {"colour": None})
    assert store.owners() == {"alice": [".spec.replicas"]}
    assert store.times() == {"alice": "01"}


def test_an_entry_that_owns_nothing_any_more_goes(store):
    store.apply("alice", {"colour": "blue"})
    store.patch("dave", {"colour": "red"})
    assert store.owners() == {"dave": [".spec.colour"]}


def test_a_write_that_changes_nothing_leaves_everything(store):
    store.apply("alice", {"colour": "blue"})
    store.patch("dave", {"colour": "red"})
    before = copy.deepcopy(store.live)
    store.patch("erin", {"colour": "red"})
    assert store.live == before


def test_writers_in_two_versions_have_two_entries(store):
    store.update("dave", {"colour": "blue"})
    store.patch("dave", {"replicas": 1}, version="v2")
    assert [(e["apiVersion"], owned(e)) for e in store.entries] == [
        ("example.com/v1", [".spec", ".spec.colour"]),
        ("example.com/v2", [".spec.replicas"]),
    ]


def test_operations_have_entries_of_their_own(store):
    store.apply("alice", {"colour": "blue"})
    store.patch("alice", {"colour": "red"})
    assert [(e["operation"], owned(e)) for e in store.entries] == [("Update", [".spec.colour"])]
    store.apply("alice", {"colour": "red"})
    assert [e["operation"] for e in store.entries] == ["Apply", "Update"]


def test_a_write_without_a_manager_is_unknowns(store):
    store.update("", {"colour": "blue"})
    assert set(store.owners()) == {"unknown"}


def test_the_eleventh_updater_draws_the_oldest_together(store):
    store.update("m0", {"free": {"x": 0}})
    for number in range(1, 12):
        store.patch(f"m{number}", {"free": {f"x{number}": 1}})
    assert len(store.entries) == 10
    assert store.entries[0]["manager"] == "ancient-changes"


# Subresources


def test_status_writes_own_status_and_nothing_else(store):
    store.update("dave", {"colour": "blue"})
    store.patch("ctl", {"colour": "red"}, status={"ready": 1}, subresource="status")
    assert store.owners()["ctl"] == [".status", ".status.ready"]
    assert store.owners()["dave"] == [".spec", ".spec.colour"]
    assert store.entries[-1]["subresource"] == "status"


def test_other_writes_do_not_own_status(store):
    store.update("dave", {"colour": "blue"}, status={"ready": 1})
    assert store.owners() == {"dave": [".spec", ".spec.colour"]}


def test_the_same_controller_may_write_status_again_and_again(store):
    store.update("dave", {"colour": "blue"})
    store.patch("ctl", status={"ready": 1}, subresource="status")
    fields = store.entries[-1]["fieldsV1"]
    store.patch("ctl", status={"ready": 2}, subresource="status")
    assert store.entries[-1]["fieldsV1"] == fields
    assert store.times() == {"dave": "01", "ctl": "03"}


def test_entries_sent_through_a_subresource_are_ignored(store):
    store.update("dave", {"colour": "blue"})
    new = {**copy.deepcopy(store.live), "status": {"ready": 1}}
    new["metadata"]["managedFields"] = []
    store.write(new, "ctl", "example.com/v1", "status")
    assert set(store.owners()) == {"dave", "ctl"}


def test_other_subresources_have_entries_of_their_own(store):
    store.update("dave", {"replicas": 1})
    store.patch("scaler", {"replicas": 2}, subresource="scale")
    assert store.owners() == {"dave": [".spec"], "scaler": [".spec.replicas"]}


# What clients send


def with_entries(store, entries, **spec):
    new = copy.deepcopy(store.live)
    new["spec"] |= spec
    new["metadata"]["managedFields"] = entries
    store.write(new, "dave", "example.com/v1", "")


@pytest.mark.parametrize("entries", [[], [{}]])
def test_a_client_may_end_the_tracking(store, entries):
    store.apply("alice", {"colour": "blue"})
    with_entries(store, entries)
    assert store.entries == []
    store.patch("dave", {"colour": "red"})
    assert store.entries == []
    store.apply("alice", {"replicas": 1})
    assert set(store.owners()) == {"alice", "before-first-apply"}


def test_leaving_the_entries_out_is_not_to_end_the_tracking(store):
    store.apply("alice", {"colour": "blue"})
    with_entries(store, None, replicas=1)
    assert set(store.owners()) == {"alice", "dave"}


def test_a_client_may_set_entries(store):
    store.apply("alice", {"colour": "blue"})
    entry = {**store.entries[0], "manager": "bob", "fieldsV1": {"f:spec": {"f:colour": {".": {}}}}}
    with_entries(store, [entry])
    assert store.owners() == {"bob": [".spec.colour"]}
    assert store.entries[0]["fieldsV1"] == {"f:spec": {"f:colour": {}}}


@pytest.mark.parametrize("entries", ["x", [{"manager": "x"}], [{"operation": "Apply"}], [1, 2]])
def test_what_is_no_list_of_entries_is_ignored(store, entries):
    store.apply("alice", {"colour": "blue"})
    with_entries(store, entries)
    assert store.owners() == {"alice": [".spec.colour"]}


def test_a_creator_may_bring_entries(store):
    entry = {"manager": "bob", "operation": "Apply", "apiVersion": "example.com/v1", "fieldsType": "FieldsV1"}
    entry["fieldsV1"] = {"f:spec": {"f:replicas": {}, "f:colour": {}}}
    store.update("dave", {"colour": "blue"}, metadata={"managedFields": [entry]})
    assert store.owners() == {"bob": [".spec.replicas"], "dave": [".spec", ".spec.colour"]}


def test_updates_drop_entries_of_versions_no_longer_served(store):
    store.apply("alice", {"colour": "blue"})
    store.entries[0]["apiVersion"] = "example.com/v0"
    store.patch("dave", {"replicas": 1})
    assert set(store.owners()) == {"dave"}


def test_untouched_sets_are_passed_on_as_they_are(store):
    store.apply("alice", {"colour": "blue", "labels": {"a": "1"}})
    new = {**store.live, "spec": {**store.live["spec"], "replicas": 1}}
    entries = store.manager.update(store.live, new, manager="dave", api_version="example.com/v1", time="t")
    assert entries[0]["fieldsV1"] is store.entries[0]["fieldsV1"]


# The frame of an apply request


def check(**change):
    return check_applied({**document(), **change}, name="w", api_version="example.com/v1", kind="Widget")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Gadget"}, "invalid object type: example.com/v1, Kind=Gadget"),
        ({"apiVersion": "v1"}, "invalid object type: /v1, Kind=Widget"),
        ({"metadata": {"name": "w", "managedFields": []}}, "metadata.managedFields must be nil"),
        ({"metadata": ["w"]}, "error decoding YAML: cannot unmarshal array into metadata"),
        ({"metadata": {"name": "b"}}, "the name of the object (b) does not match the name on the URL (w)"),
    ],
)
def test_frames_that_are_refused(change, message):
    with pytest.raises(StatusError) as raised:
        check(**change)
    assert (raised.value.code, raised.value.reason, raised.value.message) == (400, "BadRequest", message)


def test_a_configuration_is_an_object():
    with pytest.raises(StatusError, match="error decoding YAML: cannot unmarshal array into an object"):
        check_applied([], name="w", api_version="v1", kind="Widget")


@pytest.mark.parametrize("metadata", [{"name": "w"}, {}, None, {"name": "w", "managedFields": None}])
def test_frames_that_are_right(metadata):
    assert check(metadata=metadata)["kind"] == "Widget"


# Writes that change nothing


def test_times_alone_are_no_change(store):
    store.apply("alice", {"colour": "blue"})
    later = copy.deepcopy(store.live)
    later["metadata"]["managedFields"][0]["time"] = "2031-01-01T00:00:00Z"
    assert unchanged(store.live, later)


@pytest.mark.parametrize(
    "change",
    [
        lambda obj: obj["spec"].update(replicas=1),
        lambda obj: obj.update(status={}),
        lambda obj: obj.pop("spec"),
        lambda obj: obj["metadata"].update(labels={}),
        lambda obj: obj["metadata"].pop("managedFields"),
        lambda obj: obj["metadata"]["managedFields"][0].update(manager="bob"),
    ],
)
def test_everything_else_is_one(store, change):
    store.apply("alice", {"colour": "blue"})
    later = copy.deepcopy(store.live)
    change(later)
    assert not unchanged(store.live, later)
