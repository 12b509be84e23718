"""The same for an application team, in its own namespace: ResourcePlacement and StagedUpdateRun."""

from __future__ import annotations

import pytest

from echelon.api import names
from echelon.placement.scope import NAMESPACED, Scope

from ..agents import FakeAgents
from ..hub import APPROVAL, Hub, stage, wait
from .conftest import Prepare


@pytest.fixture
def scope() -> Scope:
    return NAMESPACED


async def test_a_run_in_a_namespace(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare(("a", {"env": "one"}), ("b", {"env": "two"}), contents=2)
    await hub.plan(stage("one", env="one", after=[APPROVAL, wait("5s")]), stage("two", env="two"))
    await hub.start(index="1")
    await hub.approve("first-one")
    await hub.succeeded()
    assert [effect.member for effect in agents.effects] == ["a", "b"]
    (work,) = hub.works("a")
    assert work.metadata.name == "app.web-work"
    assert work.metadata.labels[names.PARENT_PLACEMENT_NAMESPACE] == "app"
    await hub.until(lambda: hub.is_placement("Available", "True"))
    assert hub.placement().status.observed_resource_index == "1"
    assert {binding.metadata.namespace for binding in hub.bindings()} == {"app"}
    (task, _) = hub.status().stages_status[0].after_stage_task_status
    assert task.conditions[0].message == "ApprovalRequest is created"


async def test_rollback_and_deletion(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    await prepare("a", contents=2)
    await hub.plan(stage("all"))
    await hub.start("first", index="1")
    await hub.succeeded("first")
    await hub.start("second", index="0")
    await hub.succeeded("second")
    assert agents.got("a") == ["1", "0"]
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
    assert not hub.works("a")
    assert hub.all(hub.scope.binding) == hub.all(hub.scope.snapshot) == []


async def test_nothing_of_one_scope_touches_the_other(hub: Hub, agents: FakeAgents, prepare: Prepare) -> None:
    """A ClusterResourcePlacement of the same name, with a binding of the same name, on the same member."""
    await prepare("a")
    await hub.plan(stage("all"))
    await hub.admin.create(
        {
            "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
            "kind": "ClusterResourcePlacement",
            "metadata": {"name": "web"},
            "spec": {
                "resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "app"}],
                "strategy": {"type": "External"},
            },
        }
    )
    await hub.start(index="0")
    await hub.succeeded()
    await hub.pass_time(10)
    assert [work.metadata.name for work in hub.works("a")] == ["app.web-work"]
    await hub.delete(hub.scope.placement, "web")
    await hub.until(lambda: hub.find(hub.scope.placement, "web") is None)
