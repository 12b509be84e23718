"""What an API server refuses of a scheduling policy, with the words by which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from echelon.kube.errors import Invalid
from echelon.placement.scope import CLUSTER, NAMESPACED, Scope

from .hub import Hub

Json = Mapping[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
CPU = "resources.kubernetes-fleet.io/available-cpu"
EXISTS = {"operator": "Exists"}


def spec(policy: Json) -> dict[str, Any]:
    selector = {"group": "", "version": "v1", "kind": "Namespace", "name": "app"}
    return {"resourceSelectors": [selector], "policy": policy, "strategy": {"type": "External"}}


def some(**fields: Any) -> Json:
    return {"placementType": "PickN", "numberOfClusters": 1} | fields


def required(term: Json) -> Json:
    return {"clusterAffinity": {REQUIRED: {"clusterSelectorTerms": [term]}}}


def preferred(preference: Json, weight: int = 1) -> Json:
    return {"clusterAffinity": {PREFERRED: [{"weight": weight, "preference": preference}]}}


def comparing(*comparisons: tuple[str, str, str]) -> Json:
    expressions = [{"name": name, "operator": operator, "values": [value]} for name, operator, value in comparisons]
    return some(affinity=required({"propertySelector": {"matchExpressions": expressions}}))


def sorting(name: str, order: str = "Ascending") -> Json:
    return some(affinity=preferred({"propertySorter": {"name": name, "sortOrder": order}}))


def spreading(**fields: Any) -> Json:
    return some(topologySpreadConstraints=[{"topologyKey": "zone"} | fields])


FORBIDDEN_FIXED = (
    "affinity, numberOfClusters, topologySpreadConstraints, and tolerations cannot be set when placementType is "
    "PickFixed"
)
FORBIDDEN_ALL = (
    "clusterNames, numberOfClusters, and topologySpreadConstraints cannot be set when placementType is PickAll"
)
FORBIDDEN_N = "clusterNames cannot be set and numberOfClusters must be set when placementType is PickN"
SPREAD = [{"topologyKey": "zone"}]
BAD_PROPERTY = (
    "invalid resource property name, expected format is [PREFIX]/[CAPACITY_TYPE]-[RESOURCE_NAME] with a capacity type "
    "of total, allocatable or available"
)
INCONSISTENT = "inconsistent requirements on a property: "
EXCLUDED = INCONSISTENT + "lower bound and upper bound exclude all values"
OUTSIDE = INCONSISTENT + "an Eq value violates a bound"

REFUSED: Sequence[tuple[Json, str]] = [
    ({"placementType": "PickSome"}, 'supported values: "PickAll", "PickN", "PickFixed"'),
    # PickFixed
    ({"placementType": "PickFixed", "clusterNames": ["a"], "numberOfClusters": 1}, FORBIDDEN_FIXED),
    ({"placementType": "PickFixed", "clusterNames": ["a"], "affinity": {}}, FORBIDDEN_FIXED),
    ({"placementType": "PickFixed", "clusterNames": ["a"], "tolerations": [EXISTS]}, FORBIDDEN_FIXED),
    ({"placementType": "PickFixed", "clusterNames": ["a"], "topologySpreadConstraints": SPREAD}, FORBIDDEN_FIXED),
    ({"placementType": "PickFixed", "clusterNames": ["a", "a"]}, 'Duplicate value: "a"'),
    ({"placementType": "PickFixed", "clusterNames": ["A_b"]}, "should match"),
    ({"placementType": "PickFixed", "clusterNames": ["a" * 64]}, "may not be more than 63"),
    ({"placementType": "PickFixed", "clusterNames": [f"m{n}" for n in range(101)]}, "must have at most 100 items"),
    # PickAll
    ({"clusterNames": ["a"]}, FORBIDDEN_ALL),
    ({"numberOfClusters": 1}, FORBIDDEN_ALL),
    ({"topologySpreadConstraints": SPREAD}, FORBIDDEN_ALL),
    (
        {"affinity": preferred({})},
        "PreferredDuringSchedulingIgnoredDuringExecution will be ignored for placement policy type PickAll",
    ),
    # PickN
    ({"placementType": "PickN"}, FORBIDDEN_N),
    (some(clusterNames=["a"]), FORBIDDEN_N),
    (some(numberOfClusters=-1), "should be greater than or equal to 0"),
    # tolerations
    (some(tolerations=[EXISTS | {"key": "a", "value": "b"}]), "value must be empty when operator is Exists"),
    (some(tolerations=[{"value": "b"}]), "operator must be Exists when key is empty"),
    (some(tolerations=[{"key": "a b", "value": "c"}]), "should match"),
    (some(tolerations=[{"key": "a", "value": "b c"}]), "should match"),
    (some(tolerations=[{"key": "a", "operator": "In"}]), 'supported values: "Equal", "Exists"'),
    (some(tolerations=[{"key": "a", "effect": "NoExecute"}]), 'supported values: "NoSchedule"'),
    (some(tolerations=[{"key": "a", "value": "b"}, {"key": "a", "value": "b"}]), "tolerations must be unique"),
    (some(tolerations=[{"key": f"k{n}", "value": "v"} for n in range(101)]), "must have at most 100 items"),
    # affinity
    (
        some(affinity=required({"propertySorter": {"name": "p", "sortOrder": "Ascending"}})),
        "PropertySorter is not allowed for RequiredDuringSchedulingIgnoredDuringExecution affinity",
    ),
    (
        some(affinity=preferred({"propertySelector": {"matchExpressions": []}})),
        "PropertySelector is not allowed for PreferredDuringSchedulingIgnoredDuringExecution affinity",
    ),
    (some(affinity=preferred({}, weight=101)), "should be less than or equal to 100"),
    (some(affinity=preferred({}, weight=-101)), "should be greater than or equal to -100"),
    (
        some(affinity={"clusterAffinity": {REQUIRED: {"clusterSelectorTerms": [{}] * 11}}}),
        "must have at most 10 items",
    ),
    # properties
    (comparing(("a b", "Gt", "1")), "should match"),
    (comparing(("resources.kubernetes-fleet.io/cpu", "Gt", "1")), BAD_PROPERTY),
    (comparing(("resources.kubernetes-fleet.io/free-cpu", "Gt", "1")), BAD_PROPERTY),
    (sorting("resources.kubernetes-fleet.io/free-cpu"), BAD_PROPERTY),
    (sorting("a b"), "should match"),
    (sorting(CPU, "Sideways"), 'supported values: "Ascending", "Descending"'),
    (comparing((CPU, "About", "1")), 'supported values: "Gt", "Ge", "Eq", "Ne", "Lt", "Le"'),
    (comparing((CPU, "Gt", "much")), "values of a property selector must be quantities such as 4, 500m or 16Gi"),
    (
        some(
            affinity=required(
                {"propertySelector": {"matchExpressions": [{"name": CPU, "operator": "Gt", "values": []}]}}
            )
        ),
        "an operator of a property selector requires exactly one value",
    ),
    (comparing((CPU, "Eq", "1"), (CPU, "Eq", "2")), INCONSISTENT + "conflicting Eq values"),
    (comparing((CPU, "Ne", "1"), (CPU, "Eq", "1000m")), INCONSISTENT + "conflicting Eq and Ne on same value"),
    (comparing((CPU, "Gt", "2"), (CPU, "Lt", "2")), EXCLUDED),
    (comparing((CPU, "Ge", "2"), (CPU, "Lt", "2000m")), EXCLUDED),
    (comparing((CPU, "Le", "1"), (CPU, "Ge", "2")), EXCLUDED),
    (comparing((CPU, "Eq", "2"), (CPU, "Gt", "2")), OUTSIDE),
    (comparing((CPU, "Eq", "2"), (CPU, "Ge", "3")), OUTSIDE),
    (comparing((CPU, "Lt", "2"), (CPU, "Eq", "2")), OUTSIDE),
    (comparing((CPU, "Le", "1"), (CPU, "Eq", "2")), OUTSIDE),
    # spread
    (spreading(maxSkew=0), "should be greater than or equal to 1"),
    (spreading(whenUnsatisfiable="Perhaps"), 'supported values: "DoNotSchedule", "ScheduleAnyway"'),
    (some(topologySpreadConstraints=[{"maxSkew": 1}]), "topologyKey: Required value"),
]


async def place(hub: Hub, policy: Json) -> None:
    kind = hub.scope.placement.resource
    await hub.create(kind.api_version, kind.kind, "web", hub.namespace, spec=spec(policy))


@pytest.mark.parametrize(("policy", "message"), REFUSED)
async def test_what_is_refused(bare_hub: Hub, policy: Json, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await place(bare_hub, policy)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"placementType": "PickFixed", "clusterNames": ["a", "b.c"]},
        {"affinity": required({"labelSelector": {"matchLabels": {"env": "prod"}}}), "tolerations": [EXISTS]},
        some(numberOfClusters=0),
        some(tolerations=[{"key": "a", "value": "b"}, {"key": "a"}, EXISTS | {"key": "a"}, EXISTS]),
        comparing((CPU, "Ge", "2"), (CPU, "Le", "2"), (CPU, "Eq", "2000m"), (CPU, "Ne", "3"), ("nodes", "Eq", "9")),
        comparing(("kubernetes.azure.com/vm-sizes/Standard_D4s_v3/count", "Gt", "1.5e2")),
        sorting("resources.kubernetes-fleet.io/total-nvidia.com_gpu"),
        spreading(),
    ],
)
async def test_what_is_taken(bare_hub: Hub, policy: Json) -> None:
    await place(bare_hub, policy)


ONLY_ADDITIONS = "tolerations have been updated/deleted, only additions to tolerations are allowed"
IMMUTABLE = "placement type is immutable"


@pytest.mark.parametrize("scope", [CLUSTER, NAMESPACED], ids=["cluster", "namespaced"])
async def test_tolerations_can_be_added_and_nothing_else(bare_hub: Hub, scope: Scope) -> None:
    one, other = {"key": "a", "value": "b"}, {"key": "b", "operator": "Exists"}
    await place(bare_hub, some())
    for accepted in ([one], [other, one]):
        await bare_hub.edit(scope.placement, "web", {"spec": {"policy": {"tolerations": accepted}}})
    for refused in ([other], None, [other, one | {"value": "c"}]):
        with pytest.raises(Invalid, match=ONLY_ADDITIONS):
            await bare_hub.edit(scope.placement, "web", {"spec": {"policy": {"tolerations": refused}}})


async def test_the_type_of_a_placement_stays(bare_hub: Hub) -> None:
    await place(bare_hub, some())
    with pytest.raises(Invalid, match=IMMUTABLE):
        await bare_hub.edit(
            bare_hub.scope.placement,
            "web",
            {"spec": {"policy": {"placementType": "PickAll", "numberOfClusters": None}}},
        )
    with pytest.raises(Invalid, match="policy cannot be removed once set"):
        await bare_hub.edit(bare_hub.scope.placement, "web", {"spec": {"policy": None}})


async def test_a_placement_without_a_policy_is_of_the_type_pick_all(bare_hub: Hub) -> None:
    await bare_hub.place()
    with pytest.raises(Invalid, match=IMMUTABLE):
        await bare_hub.edit(bare_hub.scope.placement, "web", {"spec": {"policy": some()}})
    await bare_hub.edit(bare_hub.scope.placement, "web", {"spec": {"policy": {"tolerations": [EXISTS]}}})
