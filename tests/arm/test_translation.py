"""What goes out as an ARM resource comes back as the spec that it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.core import Subject
from echelon.api.fleet import UpdateRun, UpdateRunSpec, UpdateRunStatus, UpdateStrategy
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.arm.errors import ArmError
from echelon.arm.ids import FleetId
from echelon.arm.translation.members import cluster_id, given_id, labels_from, member_to
from echelon.arm.translation.profiles import profile_from, profile_to, strategy_from, strategy_to
from echelon.arm.translation.runs import run_to, spec_from, strategy_name, targets_from

FLEET = FleetId("00000000-0000-0000-0000-000000000001", "Demo", "Fleet")
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
LIMITS = st.one_of(st.integers(1, 50).map(str), st.integers(1, 100).map(lambda share: f"{share}%"))
GATES = st.lists(
    st.builds(
        lambda name: {"type": "Approval", "displayName": name} if name else {"type": "Approval"}, st.text("ab c")
    ),
    max_size=1,
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


SCOPE = {"maxConcurrency": LIMITS, "maxAllowedFailures": LIMITS, "beforeGates": GATES, "afterGates": GATES}
GROUPS = st.lists(st.builds(lambda name, rest: {"name": name, **rest}, NAMES, optional(**SCOPE)), max_size=3)
STAGES = st.lists(
    st.builds(
        lambda name, groups, rest: {"name": name, "groups": groups, **rest},
        NAMES,
        GROUPS,
        optional(**SCOPE, afterStageWaitInSeconds=st.integers(0, 7776000)),
    ),
    min_size=1,
    max_size=3,
)
ORDERS = st.builds(lambda stages: {"stages": stages}, STAGES)
UPDATES = st.sampled_from(
    [
        {"upgrade": {"type": "Full", "kubernetesVersion": "1.30.4"}, "nodeImageSelection": {"type": "Consistent"}},
        {"upgrade": {"type": "NodeImageOnly"}, "nodeImageSelection": {"type": "Latest"}},
        {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": "1.31.1"}},
    ]
)


def a_run(spec: dict[str, Any], **status: Any) -> UpdateRun:
    return UpdateRun(
        metadata=ObjectMeta(name="run"),
        spec=msgspec.convert(spec, UpdateRunSpec),
        status=msgspec.convert({"state": "NotStarted", **status}, UpdateRunStatus),
    )


@settings(max_examples=60)
@given(ORDERS)
def test_strategies_come_back(order: dict[str, Any]) -> None:
    strategy = msgspec.convert(
        {"apiVersion": "v", "kind": "k", "metadata": {"name": "s"}, "spec": {"strategy": order}}, UpdateStrategy
    )
    sent = strategy_to(strategy)
    assert sent["provisioningState"] == "Succeeded"
    back = msgspec.structs.replace(strategy, spec=msgspec.convert(strategy_from(sent), type(strategy.spec)))
    assert strategy_to(back) == sent  # limits are numbers or texts, and the same


@settings(max_examples=60)
@given(ORDERS, UPDATES)
def test_runs_come_back(order: dict[str, Any], update: dict[str, Any]) -> None:
    run = a_run(
        {"managedClusterUpdate": update, "strategy": order, "attempt": 2, "skips": [{"type": "Group", "name": "g"}]}
    )
    sent = run_to(run, FLEET, {})
    back = msgspec.convert(spec_from(sent, run), UpdateRunSpec)
    assert run_to(msgspec.structs.replace(run, spec=back), FLEET, {}) == sent
    assert (back.attempt, back.skips, back.state) == (run.spec.attempt, run.spec.skips, run.spec.state)
    new = msgspec.convert(spec_from(sent, None), UpdateRunSpec)
    assert (new.managed_cluster_update, new.skips, new.attempt) == (run.spec.managed_cluster_update, (), 0)


@settings(max_examples=30)
@given(ORDERS)
def test_a_run_that_is_read_and_written_back_keeps_its_strategy_by_name(order: dict[str, Any]) -> None:
    spec = {"managedClusterUpdate": {"upgrade": {"type": "NodeImageOnly"}}, "updateStrategyName": "one"}
    run = a_run(spec, strategy=order)
    sent = run_to(run, FLEET, {})
    assert sent["updateStrategyId"] == f"{FLEET}/updateStrategies/one"
    assert sent["strategy"]["stages"]
    assert msgspec.convert(spec_from(sent, run), UpdateRunSpec) == run.spec
    sent["strategy"]["stages"][0]["name"] = "another"
    assert "strategy" in spec_from(sent, run)  # which the hub refuses: both a name and an order


@given(
    optional(
        targetKubernetesVersion=st.just("1.31"),
        longTermSupport=st.booleans(),
        disabled=st.booleans(),
        updateStrategyName=NAMES,
        nodeImageSelection=st.sampled_from([{"type": "Latest"}, {"type": "Consistent"}]),
    )
)
def test_profiles_come_back(rest: dict[str, Any]) -> None:
    profile = msgspec.convert(
        {"apiVersion": "v", "kind": "k", "metadata": {"name": "p"}, "spec": {"channel": "Stable", **rest}},
        AutoUpgradeProfile,
    )
    assert msgspec.convert(profile_from(profile_to(profile, FLEET)), type(profile.spec)) == profile.spec


LABELS = st.dictionaries(NAMES, NAMES, max_size=3)


@given(LABELS, LABELS, st.one_of(st.none(), NAMES))
def test_members_come_back(labels: dict[str, str], reserved: dict[str, str], group: str | None) -> None:
    present = labels | {f"{names.OWN_PREFIX}x-{key}": value for key, value in reserved.items()}
    present |= {names.UPDATE_GROUP: group} if group else {}
    member = MemberCluster(
        metadata=ObjectMeta(name="m", labels=present), spec=MemberClusterSpec(identity=Subject(kind="User", name="u"))
    )
    sent = member_to(member, FLEET)
    assert sent.get("labels", {}) == labels
    assert sent.get("group") == group
    assert labels_from(sent, present, whole=True) == present
    assert labels_from({}, present, whole=False) == present


def test_a_member_is_the_cluster_that_it_was_given_as() -> None:
    id_ = "/subscriptions/S/resourcegroups/g/providers/Microsoft.ContainerService/managedClusters/M"
    given = ObjectMeta(name="m", annotations={names.OWN_PREFIX + "azure-cluster-id": id_})
    assert cluster_id(given, FLEET) == id_
    assert cluster_id(ObjectMeta(name="m", annotations={names.CLUSTER_RESOURCE_ID: "eks://r/m"}), FLEET).endswith(
        "/resourceGroups/Demo/providers/Microsoft.ContainerService/managedClusters/m"
    )


@pytest.mark.parametrize("id_", [None, 5, "", "m", "/subscriptions/s/resourceGroups/g", "eks://region/name"])
def test_what_is_no_cluster_is_refused(id_: Any) -> None:
    with pytest.raises(ArmError) as refusal:
        given_id({"clusterResourceId": id_})
    assert refusal.value.target == "properties.clusterResourceId"


@pytest.mark.parametrize("id_", [5, "one", f"{FLEET}/members/one", "/subscriptions"])
def test_what_is_no_strategy_is_refused(id_: Any) -> None:
    with pytest.raises(ArmError) as refusal:
        strategy_name(id_)
    assert refusal.value.target == "properties.updateStrategyId"


@pytest.mark.parametrize("targets", [None, [], "Group", {}])
def test_skips_need_targets(targets: Any) -> None:
    with pytest.raises(ArmError) as refusal:
        targets_from({"targets": targets})
    assert refusal.value.target == "targets"
