"""Works become objects on the member, and their reports say what became of them."""

from __future__ import annotations

from .member import Member, config_map, custom, custom_definition, deployment, namespace, passes, ready


async def test_a_config_map_reaches_the_member_with_one_write_on_the_hub(member: Member):
    before = len(member.hub.written())
    await member.work("web", config_map())
    await member.available()
    assert member.member.get("ConfigMap", "settings", "app")["data"] == {"key": "one"}
    await member.pass_time(30)
    assert [write.path.rpartition("/")[2] for write in member.hub.written()[before:]] == ["status"]


async def test_a_new_version_costs_one_write_on_either_side(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.pass_time(30)
    on_hub, on_member = len(member.hub.written(path="works")), len(member.member.written())
    await member.rework("web", config_map(value="two"))
    await member.until(lambda: member.is_work("Available", "True"))
    await member.pass_time(30)
    assert member.member.get("ConfigMap", "settings", "app")["data"] == {"key": "two"}
    assert len(member.hub.written(path="works")) - on_hub == 1
    assert [write.path.rpartition("/")[2] for write in member.member.written()[on_member:]] == ["settings"]


async def test_what_is_applied_belongs_to_an_applied_work(member: Member):
    await member.work("web", config_map())
    await member.available()
    applied = member.member.get("AppliedWork", "web")
    assert applied["spec"] == {"workName": "web", "workNamespace": "fleet-member-one"}
    (resource,) = applied["status"]["appliedResources"]
    live = member.member.get("ConfigMap", "settings", "app")
    assert resource == {
        "ordinal": 0,
        "version": "v1",
        "kind": "ConfigMap",
        "resource": "configmaps",
        "namespace": "app",
        "name": "settings",
        "uid": live["metadata"]["uid"],
    }
    (owner,) = live["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("AppliedWork", applied["metadata"]["uid"])
    assert owner["blockOwnerDeletion"] is True


async def test_fields_of_others_stay_and_those_taken_out_of_the_work_go(member: Member):
    await member.work("web", config_map(labels={"team": "a"}))
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"data": {"theirs": "yes"}}, "app")
    await member.rework("web", config_map(value="two"))
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "two")
    live = member.member.get("ConfigMap", "settings", "app")
    assert live["data"] == {"key": "two", "theirs": "yes"}
    assert "labels" not in live["metadata"]


async def test_what_a_work_no_longer_names_is_removed(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    await member.rework("web", config_map("b"))
    await member.until(lambda: member.member.find("ConfigMap", "a", "app") is None)
    await member.until(lambda: member.recorded() == ["b"])
    assert member.member.find("ConfigMap", "b", "app") is not None


async def test_objects_come_in_waves(member: Member):
    elsewhere = {**config_map(), "metadata": {"name": "settings", "namespace": "fresh"}}
    await member.work("web", custom(size=1), elsewhere, custom_definition(), namespace("fresh"))
    await member.available()
    created = [write.path for write in member.member.written(method="POST") if "appliedworks" not in write.path]
    ordered = [path.rpartition("/")[2].partition("?")[0] for path in created]
    assert ordered == ["namespaces", *sorted(ordered[1:3], key=ordered.index), "widgets"]
    assert set(ordered[1:3]) == {"configmaps", "customresourcedefinitions"}


async def test_availability_is_found_by_watching(member: Member):
    await member.work("web", deployment())
    await member.until(lambda: member.is_work("Available", "False", "SomeManifestsAreNotAvailable"))
    assert member.is_work("Applied", "True")
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.until(lambda: member.is_work("Available", "True", "AllManifestsAvailable"), within=0.1)
    await member.member.edit("Deployment", "web", {"status": {"availableReplicas": 1}}, "app", subresource="status")
    await member.until(lambda: member.is_work("Available", "False"), within=0.1)


async def test_a_workload_that_is_ready_at_once_costs_one_status_write(member: Member):
    before = len(member.hub.written())
    await member.work("web", deployment())
    await member.until(lambda: member.member.find("Deployment", "web", "app"))
    await member.pass_time(0.1)
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()
    await member.pass_time(30)
    assert len(member.hub.written()) - before == 1


async def test_drift_is_undone(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.pass_time(30)
    reports = len(member.hub.written(path="works"))
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one", within=0.1)
    await member.member.delete("ConfigMap", "settings", "app")
    await member.until(lambda: member.member.find("ConfigMap", "settings", "app"), within=0.1)
    await member.pass_time(1)
    assert len(member.hub.written(path="works")) == reports
    live = member.member.get("ConfigMap", "settings", "app")
    assert member.member.get("AppliedWork", "web")["status"]["appliedResources"][0]["uid"] == live["metadata"]["uid"]


async def test_somebody_who_takes_the_owner_off_does_not_get_rid_of_the_agent(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.member.edit(
        "ConfigMap", "settings", {"metadata": {"ownerReferences": None}, "data": {"key": "theirs"}}, "app"
    )
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one", within=0.1)
    assert member.member.get("ConfigMap", "settings", "app")["metadata"]["ownerReferences"]


async def test_nothing_is_written_while_nothing_changes(member: Member):
    await member.work("web", config_map(), deployment(), custom_definition())
    await member.until(lambda: member.is_work("Available", "False"))
    await member.pass_time(600)
    on_hub, on_member, before = len(member.hub.written(path="works")), len(member.member.written()), passes()
    await member.pass_time(1200)
    assert len(member.hub.written(path="works")) == on_hub
    assert len(member.member.written()) == on_member
    assert passes() == before


async def test_an_agent_that_starts_again_writes_nothing(member: Member):
    await member.work("web", config_map(), deployment())
    await member.until(lambda: member.is_work("Available", "False"))
    await member.pass_time(30)
    await member.stop()
    await member.pass_time(20)
    on_hub, on_member = len(member.hub.written()), len(member.member.written())
    await member.start()
    await member.pass_time(5)
    assert len(member.hub.written()) == on_hub
    assert len(member.member.written()) == on_member
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()


async def test_a_work_that_changed_while_the_agent_was_away_is_carried_out(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    await member.stop()
    await member.rework("web", config_map("b", value="two"))
    await member.start()
    await member.available()
    assert member.member.get("ConfigMap", "b", "app")["data"] == {"key": "two"}
    assert member.member.find("ConfigMap", "a", "app") is None


async def test_two_works_at_once(member: Member):
    await member.work("web", config_map("a"))
    await member.work("db", config_map("b"), config_map("c"))
    await member.available("web")
    await member.available("db")
    assert member.recorded("web") == ["a"]
    assert member.recorded("db") == ["b", "c"]
    await member.unwork("web")
    await member.until(lambda: member.find_work("web") is None)
    assert member.member.find("ConfigMap", "a", "app") is None
    assert member.member.find("ConfigMap", "b", "app") is not None


async def test_a_large_work(member: Member):
    before = passes()
    await member.work("web", *(config_map(f"settings-{number}", "x" * 2000) for number in range(300)))
    await member.available()
    await member.pass_time(30)
    assert len(member.recorded()) == 300
    assert len(member.hub.written(path="works")) <= 2
    assert passes() - before <= 6
    await member.unwork("web")
    await member.until(lambda: member.find_work("web") is None)
    assert member.member.find("ConfigMap", "settings-0", "app") is None


async def test_an_empty_work_is_applied_and_available(member: Member):
    await member.work("web")
    await member.available()
    assert member.recorded() == []


async def test_a_work_made_by_hand_is_held_before_anything_is_applied(member: Member):
    await member.work("web", config_map(), held=False)
    await member.available()
    assert member.hub.get("Work", "web", "fleet-member-one")["metadata"]["finalizers"] == [
        "kubernetes-fleet.io/work-cleanup"
    ]


async def test_what_came_from_another_cluster_is_not_applied(member: Member):
    foreign = config_map(
        uid="1234",
        resourceVersion="99",
        creationTimestamp="2020-01-01T00:00:00Z",
        managedFields=[],
        ownerReferences=[{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "5678"}],
    )
    await member.work("web", foreign)
    await member.available()
    await member.pass_time(1)
    metadata = member.member.get("ConfigMap", "settings", "app")["metadata"]
    assert metadata["uid"] != "1234"
    assert [owner["kind"] for owner in metadata["ownerReferences"]] == ["AppliedWork"]
