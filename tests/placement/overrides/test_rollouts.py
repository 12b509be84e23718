"""Overrides on their way to members: which snapshots a binding gets, when, and what the member gets by them."""

from __future__ import annotations

import pytest

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.meta import Resource
from echelon.api.override import ClusterResourceOverride, ResourceOverride
from echelon.api.placement import NamespacedName, RollingUpdateConfig
from echelon.api.work import Work
from echelon.kube.errors import ServerError
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.placement.overrides.matching import Identity
from echelon.placement.scope import CLUSTER, NAMESPACED

from ..agents import Behaviour, FakeAgents
from ..hub import APPROVAL, Hub, stage
from .hubs import Kind, annotates, conditions, got, message, remove, roll, says, snapshots, value, write
from .values import delete, labelled, operation, patch

both_scopes = pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
FAILED = ("Overridden", "False", "OverriddenFailed")
NAMESPACES = Unstructured(Resource("", "v1", "namespaces", "Namespace", namespaced=False))
GIVEN = [("RolloutStarted", "True", "RolloutStarted"), ("Overridden", "True", "OverriddenSucceeded")]


async def members(hub: Hub, *of: str) -> None:
    for name in of:
        await hub.join(name, env="prod" if name == "b" else "test")
    await hub.configure("content")


def given(hub: Hub, member: str) -> tuple[list[str], list[str]]:
    """The snapshots of overrides that a binding names, cluster-scoped and namespaced."""
    found = hub.binding(member).spec
    return list(found.cluster_resource_override_snapshots), [ref.name for ref in found.resource_override_snapshots]


async def available(hub: Hub) -> None:
    await hub.until(lambda: hub.is_placement("Available", "True") and hub.is_placement("Overridden", "True"))


@both_scopes
async def test_each_member_gets_what_is_for_it(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a", "b")
    rules = [
        patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-NAME} ${MEMBER-CLUSTER-LABEL-KEY-env}")),
        patch(operation("add", "/data/more", "yes"), to=labelled(env="prod")),
    ]
    await write(hub, ResourceOverride, "settings", *rules)
    await roll(hub)
    await available(hub)
    assert got(hub, "a")["data"] == {"key": "a test"}
    assert got(hub, "b")["data"] == {"key": "b prod", "more": "yes"}
    assert conditions(hub, "a")[:2] == GIVEN
    assert hub.is_placement("Overridden", "True", "OverriddenSucceeded")
    for found in hub.placement().status.placement_statuses:
        expected = NamespacedName(name="settings-0", namespace="app")
        assert found.applicable_resource_overrides == (expected,)
        assert found.applicable_cluster_resource_overrides == ()


@both_scopes
async def test_only_members_with_a_rule_name_the_override(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a", "b")
    rule = patch(operation("add", "/metadata/annotations", {"x": "y"}), to=labelled(env="prod"))
    await write(hub, ClusterResourceOverride, "app", rule)
    await roll(hub)
    await available(hub)
    assert (given(hub, "a"), given(hub, "b")) == (([], []), (["app-0"], []))
    assert conditions(hub, "a")[1] == ("Overridden", "True", "NoOverrideSpecified")
    assert hub.is_placement("Overridden", "True", "OverriddenSucceeded")
    applicable = {
        found.cluster_name: list(found.applicable_cluster_resource_overrides)
        for found in hub.placement().status.placement_statuses
    }
    assert applicable == {"a": [], "b": ["app-0"]}


async def test_the_namespace_and_what_is_in_it(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a")
    await write(hub, ClusterResourceOverride, "app", annotates("cluster"))
    await write(hub, ResourceOverride, "settings", annotates("namespace"))
    await roll(hub)
    await available(hub)
    assert got(hub, "a", "app")["metadata"]["annotations"]["by"] == "cluster"
    assert got(hub, "a")["metadata"]["annotations"] == {"by": "namespace"}


async def test_an_object_is_kept_off_a_member(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a", "b")
    await write(hub, ResourceOverride, "settings", delete(labelled(env="prod")))
    await roll(hub)
    await available(hub)
    assert value(hub, "a") == "content"
    assert got(hub, "b") is None
    assert got(hub, "b", "app") is not None


@pytest.mark.parametrize(
    ("scope", "placement", "of", "hits"),
    [
        (CLUSTER, "", "Cluster", True),
        (CLUSTER, "web", "Cluster", True),
        (CLUSTER, "other", "Cluster", False),
        (CLUSTER, "web", "Namespaced", False),
        (NAMESPACED, "", "Cluster", True),
        (NAMESPACED, "web", "Cluster", False),
        (NAMESPACED, "web", "Namespaced", True),
    ],
)
async def test_the_placement_that_an_override_names(
    hub: Hub, agents: FakeAgents, placement: str, of: str, hits: bool
) -> None:
    await members(hub, "a")
    await write(hub, ResourceOverride, "settings", says("other"), placement=placement, scope=of)
    await roll(hub)
    await available(hub)
    assert value(hub, "a") == ("other" if hits else "content")


async def test_a_change_goes_out_a_few_members_at_a_time(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a", "b", "c")
    await roll(hub, rolling_update=RollingUpdateConfig(max_unavailable=1))
    await available(hub)
    agents.otherwise = Behaviour.NOT_YET
    await write(hub, ResourceOverride, "settings", says("other"))
    await hub.until(lambda: value(hub, "a") == "other")
    await hub.pass_time(20)
    assert [value(hub, name) for name in "abc"] == ["other", "content", "content"]
    assert hub.is_placement("RolloutStarted", "False", "RolloutNotStartedYet")
    agents.otherwise = Behaviour.AVAILABLE
    for name in "abc":
        agents.behave(name, Behaviour.AVAILABLE)
    await hub.until(lambda: all(value(hub, name) == "other" for name in "abc"))
    await remove(hub, ResourceOverride, "settings")
    await hub.until(lambda: all(value(hub, name) == "content" for name in "abc"))
    await hub.until(lambda: hub.is_placement("Overridden", "True", "NoOverrideSpecified"))


async def test_a_member_that_gets_another_label(hub: Hub, agents: FakeAgents) -> None:
    await members(hub, "a")
    await write(
        hub, ResourceOverride, "settings", patch(operation("replace", "/data/key", "p"), to=labelled(env="prod"))
    )
    await roll(hub)
    await available(hub)
    assert value(hub, "a") == "content"
    await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"env": "prod"}}})
    await hub.until(lambda: value(hub, "a") == "p")


async def test_another_value_of_a_label_goes_out_a_few_members_at_a_time(hub: Hub, agents: FakeAgents) -> None:
    """The overrides stay the same ones; what they make of an object does not."""
    await members(hub, "a", "b")
    label = patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-LABEL-KEY-tier}"))
    for name in "ab":
        await hub.edit(MemberCluster, name, {"metadata": {"labels": {"tier": "one"}}})
    await write(hub, ResourceOverride, "settings", label)
    await roll(hub, rolling_update=RollingUpdateConfig(max_unavailable=1))
    await available(hub)
    await hub.pass_time(10)
    writes = len(hub.writes)
    await hub.pass_time(60)
    assert len(hub.writes) == writes
    agents.otherwise = Behaviour.NOT_YET
    for name in "ab":
        await hub.edit(MemberCluster, name, {"metadata": {"labels": {"tier": "two", "other": "label"}}})
    await hub.until(lambda: value(hub, "a") == "two")
    await hub.pass_time(20)
    assert value(hub, "b") == "one"
    assert not hub.is_placement("Available", "True")
    agents.otherwise = Behaviour.AVAILABLE
    agents.behave("a", Behaviour.AVAILABLE)
    await hub.until(lambda: value(hub, "b") == "two")
    await available(hub)


async def test_an_override_that_is_written_first_is_never_missed(hub: Hub, agents: FakeAgents) -> None:
    """However late its snapshot: the member gets nothing before."""
    await members(hub, "a")
    await hub.stop_controllers()
    await roll(hub)
    await write(hub, ResourceOverride, "settings", delete())
    await hub.start_controllers()
    await available(hub)
    assert {effect.index for effect in agents.effects} == {"0"}
    assert len(agents.effects) == 1
    assert got(hub, "a") is None


class Refusing:
    """Refuses the snapshots of overrides until it is lifted."""

    def __init__(self) -> None:
        self.lifted = False

    def __call__(self, method: str, path: str) -> None:
        if not self.lifted and path.endswith("overridesnapshots"):
            raise ServerError("not now")


@both_scopes
async def test_a_rollout_waits_for_the_snapshot_of_what_hits_it(bare_hub: Hub, agents: FakeAgents) -> None:
    hub, refusing = bare_hub, Refusing()
    await hub.start_controllers(before_write=refusing)
    await members(hub, "a")
    await write(hub, ResourceOverride, "o", says("other"))
    await roll(hub)
    await hub.until(lambda: hub.masters() and hub.bindings())
    await hub.pass_time(30)
    assert not hub.works("a")
    refusing.lifted = True
    await available(hub)
    assert value(hub, "a") == "other"
    assert len(agents.effects) == 1


@both_scopes
async def test_nothing_waits_for_an_override_of_something_else(bare_hub: Hub, agents: FakeAgents) -> None:
    hub = bare_hub
    await hub.start_controllers(before_write=Refusing())
    await members(hub, "a")
    other = Identity("", "ConfigMap", "app", "another")
    await write(hub, ResourceOverride, "o", says("other"), objects=[other])
    await write(hub, ResourceOverride, "p", says("other"), placement="another")
    await roll(hub)
    await available(hub)
    assert value(hub, "a") == "content"


class TestStagedRuns:
    async def prepare(self, hub: Hub, *of: str) -> None:
        await members(hub, *of)
        await hub.place()
        await hub.plan(stage("one", env="test"), stage("two", APPROVAL, env="prod"))

    @both_scopes
    @pytest.mark.parametrize("kind", [ClusterResourceOverride, ResourceOverride])
    async def test_overrides_are_frozen(self, hub: Hub, agents: FakeAgents, kind: Kind) -> None:
        await self.prepare(hub, "a", "b")
        content = annotates if kind is ClusterResourceOverride else says
        await write(hub, kind, "o", content("before"))
        await hub.start("first")
        await hub.until(lambda: len(agents.effects) == 1)
        await write(hub, kind, "o", content("after"))
        await hub.until(lambda: "o-1" in snapshots(hub, kind, "o"))
        await hub.approve("first-before-two")
        await hub.succeeded("first")
        clusters = [cluster for found in hub.status("first").stages_status for cluster in found.clusters]
        for cluster in clusters:
            names_ = list(cluster.cluster_resource_override_snapshots)
            names_ += [each.name for each in cluster.resource_override_snapshots]
            assert names_ == ["o-0"]
        assert [[*given(hub, name)[0], *given(hub, name)[1]] for name in "ab"] == [["o-0"], ["o-0"]]
        await hub.start("second")
        await hub.approve("second-before-two")
        await hub.succeeded("second")
        assert [[*given(hub, name)[0], *given(hub, name)[1]] for name in "ab"] == [["o-1"], ["o-1"]]
        await available(hub)

    async def test_nothing_changes_without_a_run(self, hub: Hub, agents: FakeAgents) -> None:
        await self.prepare(hub, "a")
        label = patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-LABEL-KEY-env}"))
        await write(hub, ResourceOverride, "o", label)
        await hub.start("first")
        await hub.succeeded("first")
        assert value(hub, "a") == "test"
        await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"env": None}}})
        await write(hub, ResourceOverride, "o", says("other"))
        agents.behave("a", Behaviour.NOT_YET)
        await hub.pass_time(30)
        assert value(hub, "a") == "test"
        assert len(agents.effects) == 1
        (work,) = hub.works("a")
        await hub.admin.patch(Work, work.key, MergePatch({"spec": {"workload": {"manifests": []}}}))
        await hub.until(lambda: value(hub, "a") == "test")

    async def test_the_next_run_brings_another_value_of_a_label(self, hub: Hub, agents: FakeAgents) -> None:
        """Also one of the same snapshot, which waits for the member as any run does."""
        await self.prepare(hub, "a")
        label = patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-LABEL-KEY-tier}"))
        await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"tier": "one"}}})
        await write(hub, ResourceOverride, "o", label)
        await hub.start("first")
        await hub.succeeded("first")
        await hub.edit(MemberCluster, "a", {"metadata": {"labels": {"tier": "two"}}})
        await hub.pass_time(30)
        assert value(hub, "a") == "one"
        agents.otherwise = Behaviour.NOT_YET
        await hub.start("second", index="0")
        await hub.until(lambda: value(hub, "a") == "two")
        await hub.pass_time(30)
        assert hub.is_run("Progressing", "True", name="second")
        agents.behave("a", Behaviour.AVAILABLE)
        await hub.succeeded("second")

    async def test_an_override_that_goes_leaves_what_was_made_from_it(self, hub: Hub, agents: FakeAgents) -> None:
        await self.prepare(hub, "a")
        await write(hub, ResourceOverride, "o", says("other"))
        await hub.start("first")
        await hub.succeeded("first")
        await remove(hub, ResourceOverride, "o")
        await hub.until(lambda: not snapshots(hub, ResourceOverride, "o"))
        agents.behave("a", Behaviour.NOT_YET)
        await hub.until(lambda: conditions(hub, "a")[-1] == ("Available", "False", "NotAllWorkAreAvailable"))
        agents.behave("a", Behaviour.AVAILABLE)
        await available(hub)
        assert value(hub, "a") == "other"

    async def test_an_override_that_goes_before_its_member_is_reached(self, hub: Hub, agents: FakeAgents) -> None:
        await self.prepare(hub, "a", "b")
        await write(hub, ResourceOverride, "o", says("other"))
        await hub.start("first")
        await hub.until(lambda: value(hub, "a") == "other")
        await remove(hub, ResourceOverride, "o")
        await hub.until(lambda: not snapshots(hub, ResourceOverride, "o"))
        await hub.approve("first-before-two")
        await hub.until(lambda: conditions(hub, "b")[-1:] == [FAILED])
        assert message(hub, "b") == (
            "Failed to apply the override rules on the resources: "
            "ResourceOverrideSnapshot app/o-0, which the binding names, is gone"
        )
        assert not hub.works("b")

    async def test_a_run_waits_for_a_snapshot(self, bare_hub: Hub, agents: FakeAgents) -> None:
        hub, refusing = bare_hub, Refusing()
        await hub.start_controllers(before_write=refusing)
        await self.prepare(hub, "a")
        await write(hub, ResourceOverride, "o", says("other"))
        await hub.start("first")
        waiting = "the snapshot of ResourceOverride `app/o` is not made yet"
        await hub.until(lambda: (found := hub.condition("Initialized")) and waiting in found.message)
        refusing.lifted = True
        await hub.succeeded("first")
        assert value(hub, "a") == "other"
        assert len(agents.effects) == 1


class TestFailures:
    @both_scopes
    async def test_it_is_said_where_it_is_looked_for(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a", "b")
        broken = patch(operation("replace", "/data/missing", "x"), to=labelled(env="prod"))
        await write(hub, ResourceOverride, "o", broken)
        await roll(hub, rolling_update=RollingUpdateConfig(max_unavailable=2))
        await hub.until(lambda: hub.is_placement("Overridden", "False", "OverriddenFailed"))
        assert conditions(hub, "b") == [("RolloutStarted", "True", "RolloutStarted"), FAILED]
        assert message(hub, "b") == (
            "Failed to apply the override rules on the resources: operation 0 of rule 0 of "
            "ResourceOverrideSnapshot app/o-0 (replace /data/missing) does not fit ConfigMap app/settings: "
            "can't replace a non-existent object 'missing'"
        )
        assert not hub.works("b")
        found = hub.placement_condition("Overridden")
        assert found is not None
        assert found.message == "Failed to override resources in 1 cluster(s)"
        (b,) = [each for each in hub.placement().status.placement_statuses if each.cluster_name == "b"]
        assert (b.conditions[-1].reason, b.conditions[-1].message) == ("OverriddenFailed", message(hub, "b"))
        await write(hub, ResourceOverride, "o", says("mended"))
        await hub.until(lambda: value(hub, "b") == "mended")
        await available(hub)

    async def test_what_a_member_has_stays(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a")
        await roll(hub)
        await available(hub)
        await write(hub, ResourceOverride, "o", patch(operation("remove", "/data/missing")))
        await hub.until(lambda: conditions(hub, "a")[-1] == FAILED)
        await hub.pass_time(30)
        before = len(hub.writes)
        await hub.pass_time(200)
        assert hub.writes[before:] == []
        assert value(hub, "a") == "content"

    async def test_a_label_that_is_missing(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a")
        rule = patch(operation("replace", "/data/key", "${MEMBER-CLUSTER-LABEL-KEY-tier}"))
        await write(hub, ResourceOverride, "o", rule)
        await roll(hub)
        await hub.until(lambda: hub.bindings() and conditions(hub, "a")[-1:] == [FAILED])
        assert message(hub, "a").endswith("asks for the label tier, which member a does not have")

    async def test_two_overrides_of_one_object(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a")
        await write(hub, ClusterResourceOverride, "one", annotates("1"))
        await write(hub, ClusterResourceOverride, "two", annotates("2"))
        await roll(hub)
        await hub.until(lambda: hub.bindings() and conditions(hub, "a")[-1:] == [FAILED])
        assert "the resource has been selected by both one and two, which is not supported" in message(hub, "a")
        await remove(hub, ClusterResourceOverride, "two")
        await available(hub)

    async def test_works_that_the_hub_refuses(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a")
        await hub.admin.delete(NAMESPACES, names.member_namespace("a"))
        await roll(hub)
        await hub.until(
            lambda: hub.bindings() and ("WorkSynchronized", "False", "SyncWorkFailed") in conditions(hub, "a")
        )
        assert message(hub, "a").startswith("Failed to synchronize the work to the latest: ")
        await hub.create("v1", "Namespace", names.member_namespace("a"))
        await available(hub)

    async def test_what_is_too_large(self, hub: Hub, agents: FakeAgents) -> None:
        await members(hub, "a")
        large = ["x" * 100_000] * 15
        await write(
            hub, ResourceOverride, "o", *(patch(operation("add", f"/data/k{n}", v)) for n, v in enumerate(large))
        )
        await roll(hub)
        await hub.until(lambda: hub.bindings() and len(conditions(hub, "a")) == 3)
        assert conditions(hub, "a")[-1] == ("WorkSynchronized", "False", "SyncWorkFailed")
        assert message(hub, "a").endswith("a Work holds at most 1415578 bytes")
