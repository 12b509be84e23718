"""Manifests that cannot be applied: reported with their reason, and tried again in good measure (reference 3.11)."""

from __future__ import annotations

import asyncio

import pytest

from .clusters import Object
from .member import Member, config_map, custom, custom_definition, deployment, namespace, passes


async def test_decoding_erred_for_a_kind_that_the_member_does_not_have(member: Member):
    await member.work("web", custom(size=1))
    condition = await member.failed("DecodingErred")
    assert condition.message == "the server has no kind 'Widget' in 'test.echelon.dev/v1'"
    assert member.is_work("Applied", "False", "SomeManifestsAreNotApplied")
    assert member.work_condition("Available") is None


async def test_a_kind_that_comes_later_is_applied_as_soon_as_it_is_there(member: Member):
    await member.work("web", custom(size=1))
    await member.failed("DecodingErred")
    await member.pass_time(500)
    await member.member.create(custom_definition())
    await member.until(lambda: member.is_work("Available", "True", "WorkNotTrackable"), within=1)
    assert member.member.get("Widget", "w", "app")["spec"] == {"size": 1}


async def test_a_kind_that_is_taken_away_and_comes_back(member: Member):
    await member.member.create(custom_definition())
    await member.work("web", custom(size=1))
    await member.available()
    await member.member.delete("CustomResourceDefinition", "widgets.test.echelon.dev")
    await member.failed("DecodingErred")
    before = passes()
    await member.pass_time(600)
    assert passes() - before < 20
    await member.member.create(custom_definition())
    await member.available()


async def test_a_definition_and_its_objects_in_one_work(member: Member):
    await member.work("web", custom(size=1), custom_definition())
    await member.until(lambda: member.is_work("Available", "True"), within=5)


@pytest.mark.parametrize(
    ("manifest", "reason", "message"),
    [
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "app"}},
            "DecodingErred",
            "manifest 0 has no name",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-", "namespace": "app"}},
            "FoundGenerateName",
            "manifest 0 has no name, only the generateName 'x-'",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
            "DecodingErred",
            "manifest 0 has no namespace, but ConfigMap is namespaced",
        ),
        (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "namespace": "app"}},
            "DecodingErred",
            "manifest 0 has the namespace 'app', but Namespace has none",
        ),
    ],
)
async def test_manifests_that_never_can_be_applied_are_not_tried_again(
    member: Member, manifest: Object, reason: str, message: str
):
    await member.work("web", manifest, config_map())
    assert (await member.failed(reason)).message == message
    assert member.member.find("ConfigMap", "settings", "app") is not None
    condition = member.work_condition("Applied")
    assert condition is not None
    assert condition.message == "Failed to apply all manifests (1 of 2 manifests are applied)"
    await member.pass_time(1)
    before = passes()
    await member.pass_time(3600)
    assert passes() == before


async def test_duplicated(member: Member):
    await member.work("web", config_map(), config_map(value="two"))
    condition = await member.failed("Duplicated", ordinal=1)
    assert condition.message == "ConfigMap app/settings appears more than once in the Work"
    assert member.member.get("ConfigMap", "settings", "app")["data"] == {"key": "one"}


async def test_manifest_apply_failed_for_an_invalid_object(member: Member):
    broken = deployment()
    broken["spec"]["selector"] = {"matchLabels": {"app": "another"}}
    await member.work("web", broken, config_map())
    condition = await member.failed("ManifestApplyFailed")
    assert condition.message.startswith('Failed to apply the manifest (error: Deployment.apps "web" is invalid')
    before = passes()
    await member.pass_time(3600)
    assert 8 < passes() - before < 20
    await member.rework("web", deployment(), config_map())
    await member.applied()


async def test_manifest_apply_failed_for_what_is_forbidden(member: Member):
    member.member.permissions.forbidden = lambda attributes: (
        attributes.resource == "configmaps" and attributes.verb == "create"
    )
    await member.work("web", config_map())
    condition = await member.failed("ManifestApplyFailed")
    assert "forbidden" in condition.message
    member.member.permissions.forbidden = lambda attributes: False
    await member.available()


async def test_failed_to_find_obj_in_member_cluster(member: Member):
    member.member.permissions.forbidden = lambda attributes: attributes.resource == "configmaps"
    await member.work("web", config_map())
    condition = await member.failed("FailedToFindObjInMemberCluster")
    assert "forbidden" in condition.message
    before = passes()
    await member.pass_time(600)
    assert passes() - before < 20
    member.member.permissions.forbidden = lambda attributes: False
    await member.available()


async def test_a_kind_that_may_not_be_watched_is_applied_and_looked_at_again(member: Member):
    member.member.permissions.forbidden = lambda attributes: (
        attributes.resource == "configmaps" and attributes.verb in ("list", "watch")
    )
    await member.work("web", config_map())
    await member.available()
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one", within=900)
    before = passes()
    await member.pass_time(3600)
    assert passes() - before < 20
    member.member.permissions.forbidden = lambda attributes: False
    await member.pass_time(100)
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one", within=1)


async def test_a_namespace_that_comes_later(member: Member):
    elsewhere = {**config_map(), "metadata": {"name": "settings", "namespace": "later"}}
    await member.work("web", elsewhere)
    condition = await member.failed("ManifestApplyFailed")
    assert 'namespaces "later" not found' in condition.message
    await member.member.create(namespace("later"))
    await member.available()


async def test_one_failure_does_not_keep_the_others(member: Member):
    await member.work("web", custom(size=1), config_map("a"), config_map("b"))
    await member.failed("DecodingErred")
    assert member.recorded() == ["a", "b"]
    assert member.is_manifest("Available", "True", "Available", ordinal=1)


async def test_a_failure_is_reported_once(member: Member):
    await member.work("web", custom(size=1))
    await member.failed("DecodingErred")
    await member.pass_time(1)
    before = len(member.hub.written(path="works"))
    await member.pass_time(3600)
    assert len(member.hub.written(path="works")) == before


async def test_what_failed_after_it_was_applied_is_still_the_works(member: Member):
    await member.work("web", config_map())
    await member.available()
    member.member.permissions.forbidden = lambda attributes: attributes.verb == "patch"
    await member.rework("web", config_map(value="two"))
    await member.failed("ManifestApplyFailed")
    member.member.permissions.forbidden = lambda attributes: False
    assert member.recorded() == ["settings"]
    await member.available()


async def test_a_member_that_cannot_be_reached_for_a_while(member: Member):
    await member.work("web", config_map())
    await member.available()
    member.member.reachable = False
    await member.rework("web", config_map(value="two"))
    await member.pass_time(300)
    member.member.reachable = True
    await member.until(lambda: member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "two", within=900)
    await member.available()


async def test_somebody_who_keeps_changing_an_object_back_does_not_wear_the_member_out(member: Member):
    await member.work("web", config_map())
    await member.available()
    fighting = True
    answers: set[asyncio.Future[None]] = set()

    def contradict(_: object) -> None:
        live = member.member.find("ConfigMap", "settings", "app")
        if fighting and live is not None and live["data"]["key"] == "one":
            edit = member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
            answers.add(asyncio.ensure_future(edit))

    member.member.server.objects.observe(contradict)
    await member.member.edit("ConfigMap", "settings", {"data": {"key": "theirs"}}, "app")
    before = passes()
    await member.pass_time(3600)
    assert 20 < len(member.member.written(method="PATCH", path="configmaps")) < 120
    assert passes() - before < 300
    fighting = False
    await member.pass_time(120)
    assert member.member.get("ConfigMap", "settings", "app")["data"]["key"] == "one"


async def test_a_slow_member_is_announced(member: Member):
    """A manifest that was not processed after a second is reported as being prepared."""
    member.member.permissions.forbidden = lambda attributes: (
        attributes.resource in ("configmaps", "namespaces") and attributes.verb in ("list", "watch")
    )
    await member.work("web", config_map(), namespace("slow"))
    await member.until(lambda: (work := member.find_work()) and work.status.manifest_conditions, within=2)
    (condition,) = member.manifest().conditions
    assert (condition.type, condition.status, condition.reason) == ("Applied", "False", "PreparingToProcess")
    assert condition.message == "The manifest is being prepared for processing."
    assert member.work_condition("Applied") is None
    await member.available()
