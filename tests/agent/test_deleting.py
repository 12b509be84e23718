"""What was applied goes with its Work."""

from __future__ import annotations

import pytest

from .member import NAMESPACE, Member, config_map, deployment, passes, ready

HELD = {"finalizers": ["example.com/hold"]}


async def test_a_work_takes_its_objects_with_it(member: Member):
    await member.work("web", config_map(), deployment())
    await member.until(lambda: member.is_work("Applied", "True"))
    await member.unwork("web")
    await member.until(lambda: member.find_work() is None, within=5)
    for kind, name in (("ConfigMap", "settings"), ("Deployment", "web"), ("AppliedWork", "web")):
        assert member.member.find(kind, name, "app" if kind != "AppliedWork" else "") is None


async def test_a_work_waits_for_its_objects(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"metadata": HELD}, "app")
    await member.unwork("web")
    await member.pass_time(120)
    assert member.find_work() is not None
    await member.member.edit("ConfigMap", "settings", {"metadata": {"finalizers": None}}, "app")
    await member.until(lambda: member.find_work() is None, within=1)


async def test_a_work_does_not_wait_for_ever_for_objects_that_do_not_go(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"metadata": HELD}, "app")
    await member.unwork("web")
    before = passes()
    await member.pass_time(290)
    assert member.find_work() is not None
    assert passes() - before < 10
    await member.until(lambda: member.find_work() is None, within=15)
    assert member.member.find("AppliedWork", "web") is None


async def test_a_work_that_was_never_applied_goes_at_once(member: Member):
    member.member.permissions.forbidden = lambda attributes: attributes.resource == "appliedworks"
    await member.work("web", config_map())
    await member.pass_time(5)
    await member.unwork("web")
    member.member.permissions.forbidden = lambda attributes: False
    await member.until(lambda: member.find_work() is None)


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_an_applied_work_deleted_by_hand_comes_back_with_its_objects(member: Member, propagation: str):
    await member.work("web", config_map())
    await member.available()
    uid = member.member.get("AppliedWork", "web")["metadata"]["uid"]
    await member.member.delete("AppliedWork", "web", propagation=propagation)

    def restored() -> bool:
        owner, live = member.member.find("AppliedWork", "web"), member.member.find("ConfigMap", "settings", "app")
        if owner is None or live is None or owner["metadata"]["uid"] == uid:
            return False
        return [ref["uid"] for ref in live["metadata"].get("ownerReferences", ())] == [owner["metadata"]["uid"]]

    await member.until(restored)
    await member.pass_time(30)
    assert restored()
    assert member.is_work("Available", "True")
    assert member.recorded() == ["settings"]


async def test_a_work_that_comes_back_before_the_last_one_is_gone(member: Member):
    await member.work("web", config_map())
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"metadata": HELD}, "app")
    await member.unwork("web")
    await member.pass_time(1)
    await member.hub.edit("placement.kubernetes-fleet.io/Work", "web", {"metadata": {"finalizers": None}}, NAMESPACE)
    await member.until(lambda: member.find_work() is None)
    await member.work("web", config_map(value="two"))
    await member.pass_time(30)
    assert member.work_condition("Applied") is None
    await member.member.edit("ConfigMap", "settings", {"metadata": {"finalizers": None}}, "app")
    await member.available()
    assert member.member.get("ConfigMap", "settings", "app")["data"] == {"key": "two"}


async def test_an_obsolete_object_with_another_owner_is_released(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    uid = member.member.get("Namespace", "app")["metadata"]["uid"]
    other = {"apiVersion": "v1", "kind": "Namespace", "name": "app", "uid": uid}
    ours = member.member.get("ConfigMap", "a", "app")["metadata"]["ownerReferences"]
    await member.stop()
    await member.member.edit("ConfigMap", "a", {"metadata": {"ownerReferences": [*ours, other]}}, "app")
    await member.rework("web", config_map("b"))
    await member.start()
    await member.until(lambda: member.recorded() == ["b"])
    assert member.member.get("ConfigMap", "a", "app")["metadata"]["ownerReferences"] == [other]


async def test_an_object_that_took_the_place_of_an_obsolete_one_stays(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    await member.stop()
    await member.member.delete("ConfigMap", "a", "app")
    await member.member.create(config_map("a", "theirs"))
    await member.rework("web", config_map("b"))
    await member.start()
    await member.until(lambda: member.recorded() == ["b"])
    assert member.member.get("ConfigMap", "a", "app")["data"] == {"key": "theirs"}


async def test_an_obsolete_object_that_cannot_be_removed_is_tried_again(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    member.member.permissions.forbidden = lambda attributes: attributes.verb == "delete"
    await member.rework("web", config_map("b", "two"))
    await member.until(lambda: member.is_work("Available", "True"))
    before = passes()
    await member.pass_time(120)
    assert passes() - before < 15
    assert sorted(member.recorded()) == ["a", "b"]
    member.member.permissions.forbidden = lambda attributes: False
    await member.until(lambda: member.member.find("ConfigMap", "a", "app") is None, within=300)
    await member.until(lambda: member.recorded() == ["b"])


async def test_nothing_is_removed_while_a_manifest_cannot_be_read(member: Member):
    await member.work("web", config_map("a"), config_map("b"))
    await member.available()
    nameless = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "app"}}
    await member.rework("web", nameless, config_map("b"))
    await member.failed("DecodingErred")
    assert member.member.find("ConfigMap", "a", "app") is not None
    await member.rework("web", config_map("b"))
    await member.until(lambda: member.member.find("ConfigMap", "a", "app") is None)


async def test_a_deployment_that_is_removed_and_comes_again(member: Member):
    await member.work("web", deployment())
    await member.until(lambda: member.member.find("Deployment", "web", "app"))
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()
    await member.member.delete("Deployment", "web", "app")
    await member.until(lambda: member.is_work("Available", "False"))
    await member.member.edit("Deployment", "web", ready(), "app", subresource="status")
    await member.available()
