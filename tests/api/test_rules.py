"""What the definitions make an API server refuse, and that it takes what is right.

Judged by the embedded server's own schemas, as a hub would.
"""

import copy
from typing import Any

import pytest
import yaml

from echelon.api import crds
from echelon.apiserver.crd import definition_of, validate_definition

MANIFESTS = {crd["spec"]["names"]["kind"]: crd for crd in crds.manifests()}
SCHEMAS = {
    kind: {name: version.schema for name, version in definition_of(crd).versions.items()}
    for kind, crd in MANIFESTS.items()
}

VALID: dict[str, dict[str, Any]] = yaml.safe_load("""
MemberCluster:
  spec:
    identity: {kind: ServiceAccount, name: agent, namespace: fleet-system}
    taints: [{key: a, value: b, effect: NoSchedule}, {key: a, effect: NoSchedule}]
InternalMemberCluster:
  spec: {state: Join}
  status: {agentStatus: [{type: MemberAgent, lastReceivedHeartbeat: "2026-01-31T08:00:00Z"}]}
ClusterResourcePlacement: &placement
  spec:
    resourceSelectors: [{group: "", version: v1, kind: Namespace, name: web}]
    policy: {placementType: PickN, numberOfClusters: 2, tolerations: [{operator: Exists}, {key: a, value: b}]}
    strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1, maxSurge: 10%}}
ResourcePlacement: *placement
ClusterResourcePlacementStatus:
  sourceStatus: {conditions: []}
  lastUpdatedTime: "2026-01-31T08:00:00Z"
ClusterSchedulingPolicySnapshot: &policy
  spec: {policyHash: YWJj, policy: {placementType: PickFixed, clusterNames: [one, two]}}
  status: {observedCRPGeneration: 1, targetClusters: [{clusterName: one, selected: true, reason: picked}]}
SchedulingPolicySnapshot: *policy
ClusterResourceSnapshot: &snapshot
  spec:
    selectedResources: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: value}}]
ResourceSnapshot: *snapshot
ClusterResourceBinding: &binding
  spec:
    state: Bound
    targetCluster: one
    resourceSnapshotName: ""
    schedulingPolicySnapshotName: web-0
    clusterDecision: {clusterName: one, selected: true, reason: picked, clusterScore: {affinityScore: 0}}
ResourceBinding: *binding
Work:
  spec:
    workload: {manifests: [{apiVersion: v1, kind: Namespace, metadata: {name: web}}]}
    applyStrategy: {type: ServerSideApply, serverSideApplyConfig: {force: true}}
  status:
    conditions: []
    manifestConditions: [{identifier: {ordinal: 0}, conditions: []}]
AppliedWork:
  spec: {workName: web-work, workNamespace: fleet-member-one}
  status: {appliedResources: [{ordinal: 0, version: v1, kind: Namespace, uid: abc}]}
ClusterStagedUpdateRun: &run
  spec: {placementName: web, stagedRolloutStrategyName: two, resourceSnapshotIndex: "1", state: Run}
  status:
    stagesStatus: [{stageName: one, clusters: []}]
    conditions:
    - {type: Initialized, status: "True", reason: Done, message: "", lastTransitionTime: "2026-01-31T08:00:00Z"}
StagedUpdateRun: *run
ClusterStagedUpdateStrategy: &strategy
  spec:
    stages:
    - name: one
      maxConcurrency: 50%
      beforeStageTasks: [{type: Approval}]
      afterStageTasks: [{type: Approval}, {type: TimedWait, waitTime: 1h30m}]
    - {name: two, labelSelector: {}, maxConcurrency: 3}
StagedUpdateStrategy: *strategy
ClusterApprovalRequest: &approval
  spec: {parentStageRollout: run, targetStage: one}
ApprovalRequest: *approval
ClusterResourceOverride:
  spec: &override
    placement: {name: web}
    clusterResourceSelectors: [{group: "", version: v1, kind: Namespace, name: web}]
    policy:
      overrideRules:
      - clusterSelector: {clusterSelectorTerms: [{labelSelector: {matchLabels: {env: prod}}}]}
        jsonPatchOverrides: [{op: add, path: /metadata/labels/env, value: {any: [json]}}]
      - {clusterSelector: {clusterSelectorTerms: []}, overrideType: Delete}
ClusterResourceOverrideSnapshot:
  spec: {overrideHash: YWJj, overrideSpec: *override}
ResourceOverride:
  spec: &namespaced-override
    placement: {name: web, scope: Namespaced}
    resourceSelectors: [{group: apps, version: v1, kind: Deployment, name: web}]
    policy: {overrideRules: [{jsonPatchOverrides: [{op: replace, path: /spec/replicas, value: 3}]}]}
ResourceOverrideSnapshot:
  spec: {overrideHash: YWJj, overrideSpec: *namespaced-override}
ClusterResourcePlacementEviction:
  spec: {placementName: web, clusterName: one}
ClusterResourcePlacementDisruptionBudget:
  spec: {maxUnavailable: 10%}
ClusterResourceEnvelope: &envelope
  data: {one.yaml: {apiVersion: v1, kind: ConfigMap, data: {key: value}}}
ResourceEnvelope: *envelope
UpdateRun:
  spec:
    managedClusterUpdate:
      upgrade: {type: Full, kubernetesVersion: 1.31.1}
      nodeImageSelection: {type: Custom, customNodeImageVersions: [{version: AKSUbuntu-2204-202410.15.0}]}
    strategy: &stages
      stages:
      - name: one
        afterStageWaitInSeconds: 60
        groups: [{name: a, maxConcurrency: 100%, maxAllowedFailures: 0%}, {name: b, maxConcurrency: 2}]
        beforeGates:
        - type: ScheduledStart
          scheduledStartConfiguration: {startDay: Friday, startTime: "18:00", utcOffset: "-05:00"}
        afterGates: [{type: Approval, displayName: sign-off}]
      - {name: two, memberSelector: {byLabel: env=prod}}
    skips: [{type: AfterStageWait, name: one}]
UpdateStrategy:
  spec: {strategy: *stages}
Gate:
  spec: {gateType: Approval, target: {updateRun: run, stage: one, timing: Before}}
  status: {state: Pending}
AutoUpgradeProfile:
  spec: {channel: TargetKubernetesVersion, targetKubernetesVersion: "1.31", longTermSupport: true}
ClusterUpgrade:
  spec: {upgrade: {type: NodeImageOnly}, updateRun: run, attempt: 1}
  status: {state: Running, nodesDone: 1, nodesTotal: 3}
ReleaseCatalog:
  spec:
    kubernetesVersions: [{version: 1.31.1, regions: [eastus], published: "2026-01-31T08:00:00Z"}]
    nodeImages: [{family: AKSUbuntu-2204, version: 202410.15.0}]
""")


def whole(kind: str, version: str, content: dict[str, Any], name: str = "one") -> dict[str, Any]:
    """An object of the kind, as the server has it after pruning and defaulting."""
    spec = MANIFESTS[kind]["spec"]
    metadata = {"name": name} | ({"namespace": "team"} if spec["scope"] == "Namespaced" else {})
    obj = {"apiVersion": f"{spec['group']}/{version}", "kind": kind, "metadata": metadata, **copy.deepcopy(content)}
    SCHEMAS[kind][version].prune(obj)
    SCHEMAS[kind][version].default(obj)
    return obj


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The content with other values at some dotted paths; None removes what is there."""
    content = copy.deepcopy(content)
    for path, value in changes.items():
        *parents, last = path.split(".")
        at: Any = content
        for parent in parents:
            at = at[int(parent)] if isinstance(at, list) else at.setdefault(parent, {})
        if value is None:
            at.pop(last)
        elif isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value
    return content


def faults(kind: str, changes: dict[str, Any], before: dict[str, Any] | None = None, name: str = "one") -> str:
    """What the stored version has against a valid object with these changes, made over that ``before`` if given."""
    version = crds.DEFINITIONS[list(MANIFESTS).index(kind)].versions[-1]
    new = whole(kind, version, changed(VALID[kind], changes), name)
    old = None if before is None else whole(kind, version, changed(VALID[kind], before), name)
    return "\n".join(str(error) for error in SCHEMAS[kind][version].validate(new, old))


@pytest.mark.parametrize("kind", MANIFESTS)
def test_the_server_takes_the_definition(kind: str) -> None:
    assert [str(error) for error in validate_definition(copy.deepcopy(MANIFESTS[kind]))] == []


@pytest.mark.parametrize("kind", MANIFESTS)
def test_the_server_takes_a_valid_object_as_it_is(kind: str) -> None:
    for version, schema in SCHEMAS[kind].items():
        obj = whole(kind, version, VALID[kind])
        assert [str(error) for error in schema.validate(obj)] == []
        assert [str(error) for error in schema.validate(obj, copy.deepcopy(obj))] == []
        assert schema.prune(whole(kind, version, VALID[kind])) == []


STRATEGY = "spec.stages.0"
POLICY = "spec.policy"
PICK_ALL = {POLICY: {"placementType": "PickAll"}}
WITH_SELECTORS = {"group": "", "version": "v1", "kind": "Namespace", "selectionScope": "NamespaceWithResourceSelectors"}
RULE = "spec.policy.overrideRules.0"
PATCH = f"{RULE}.jsonPatchOverrides.0"
UPGRADE = "spec.managedClusterUpdate.upgrade"


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("MemberCluster", {"spec.heartbeatPeriodSeconds": 601}, "should be less than or equal to 600"),
        ("MemberCluster", {"spec.taints.0.effect": "NoExecute"}, 'supported values: "NoSchedule"'),
        ("MemberCluster", {"spec.taints.0.value": ""}, "taints must be unique"),
        ("MemberCluster", {"spec.taints.0.key": "a b"}, "should match"),
        ("MemberCluster", {"spec.identity": None}, "spec.identity: Required value"),
        (
            "ClusterResourcePlacement",
            {"spec.resourceSelectors.0.labelSelector": {}},
            "name and labelSelector are mutually exclusive in a resource selector",
        ),
        ("ClusterResourcePlacement", {"spec.resourceSelectors": []}, "should have at least 1 items"),
        ("ClusterResourcePlacement", {"spec.revisionHistoryLimit": 0}, "should be greater than or equal to 1"),
        (
            "ClusterResourcePlacement",
            {f"{POLICY}.placementType": "PickFixed"},
            "affinity, numberOfClusters, topologySpreadConstraints, and tolerations cannot be set",
        ),
        (
            "ClusterResourcePlacement",
            {f"{POLICY}.placementType": "PickAll"},
            "clusterNames, numberOfClusters, and topologySpreadConstraints cannot be set when placementType is PickAll",
        ),
        (
            "ClusterResourcePlacement",
            {f"{POLICY}.numberOfClusters": None},
            "clusterNames cannot be set and numberOfClusters must be set when placementType is PickN",
        ),
        (
            "ClusterResourcePlacement",
            {f"{POLICY}.tolerations.0.value": "x"},
            "value must be empty when operator is Exists",
        ),
        ("ClusterResourcePlacement", {f"{POLICY}.tolerations.1.key": ""}, "operator must be Exists when key is empty"),
        (
            "ClusterResourcePlacement",
            {
                f"{POLICY}.affinity.clusterAffinity.requiredDuringSchedulingIgnoredDuringExecution": {
                    "clusterSelectorTerms": [{"propertySorter": {"name": "p", "sortOrder": "Ascending"}}]
                }
            },
            "PropertySorter is not allowed for RequiredDuringSchedulingIgnoredDuringExecution affinity",
        ),
        (
            "ClusterResourcePlacement",
            {
                f"{POLICY}.affinity.clusterAffinity.preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "preference": {"propertySelector": {"matchExpressions": []}}}
                ]
            },
            "PropertySelector is not allowed for PreferredDuringSchedulingIgnoredDuringExecution affinity",
        ),
        (
            "ClusterResourcePlacement",
            {
                POLICY: {
                    "placementType": "PickAll",
                    "affinity": {
                        "clusterAffinity": {
                            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}]
                        }
                    },
                }
            },
            "PreferredDuringSchedulingIgnoredDuringExecution will be ignored for placement policy type PickAll",
        ),
        ("ClusterResourcePlacement", {"spec.strategy.rollingUpdate.maxSurge": "101%"}, "should match"),
        (
            "ClusterResourcePlacement",
            {"spec.strategy.type": "External"},
            "rollingUpdateConfig is not valid for ExternalRollout strategy type",
        ),
        (
            "ClusterResourcePlacement",
            {"spec.strategy.applyStrategy": {"serverSideApplyConfig": {"force": True}}},
            "serverSideApplyConfig is only valid for ServerSideApply strategy type",
        ),
        (
            "ClusterResourcePlacement",
            {"spec.strategy.reportBackStrategy": {"type": "Mirror"}},
            "when reportBackStrategy.type is 'Mirror', a destination must be specified",
        ),
        (
            "ClusterResourcePlacement",
            {"spec.statusReportingScope": "NamespaceAccessible", "spec.resourceSelectors.0.kind": "Node"},
            "when statusReportingScope is NamespaceAccessible, exactly one resourceSelector",
        ),
        (
            "ResourcePlacement",
            {"spec.resourceSelectors": [WITH_SELECTORS | {"name": "a"}, WITH_SELECTORS | {"name": "b"}]},
            "only one namespace selector with NamespaceWithResourceSelectors mode is allowed",
        ),
        (
            "ResourcePlacement",
            {"spec.resourceSelectors": [WITH_SELECTORS | {"labelSelector": {}}]},
            "namespace selector with NamespaceWithResourceSelectors mode must select by name (not by label)",
        ),
        (
            "ResourcePlacement",
            {
                "spec.resourceSelectors": [
                    WITH_SELECTORS | {"name": "a"},
                    {"group": "", "version": "v1", "kind": "Namespace", "name": "b"},
                ]
            },
            "when using NamespaceWithResourceSelectors mode, only one namespace selector is allowed",
        ),
        ("ClusterStagedUpdateStrategy", {f"{STRATEGY}.name": "with-hyphen"}, "should match '^[a-z0-9]+$'"),
        ("ClusterStagedUpdateStrategy", {f"{STRATEGY}.name": "two"}, "stage names must be unique within a strategy"),
        ("ClusterStagedUpdateStrategy", {f"{STRATEGY}.maxConcurrency": 0}, "maxConcurrency must be at least 1"),
        ("ClusterStagedUpdateStrategy", {f"{STRATEGY}.maxConcurrency": "0%"}, "should match"),
        (
            "ClusterStagedUpdateStrategy",
            {f"{STRATEGY}.beforeStageTasks.0.type": "TimedWait"},
            "BeforeStageTaskType cannot be TimedWait",
        ),
        (
            "ClusterStagedUpdateStrategy",
            {f"{STRATEGY}.beforeStageTasks.0.waitTime": "1s"},
            "AfterStageTaskType is Approval, waitTime is not allowed",
        ),
        (
            "StagedUpdateStrategy",
            {f"{STRATEGY}.afterStageTasks.0.waitTime": "1s"},
            "AfterStageTaskType is Approval, waitTime is not allowed",
        ),
        (
            "StagedUpdateStrategy",
            {f"{STRATEGY}.afterStageTasks.1.waitTime": None},
            "AfterStageTaskType is TimedWait, waitTime is required",
        ),
        ("StagedUpdateStrategy", {f"{STRATEGY}.afterStageTasks.1.waitTime": "5 minutes"}, "should match"),
        ("ClusterStagedUpdateRun", {"spec.state": "run"}, 'supported values: "Initialize", "Run", "Stop"'),
        ("ClusterStagedUpdateRun", {"spec.placementName": "p" * 256}, "may not be more than 255"),
        ("ClusterStagedUpdateRun", {"status.conditions.0.reason": ""}, "should be at least 1 chars long"),
        (
            "ClusterResourceOverride",
            {"spec.placement.scope": "Namespaced"},
            "clusterResourceOverride placement reference cannot be Namespaced scope",
        ),
        (
            "ClusterResourceOverride",
            {"spec.clusterResourceSelectors.0.name": None},
            "a clusterResourceSelector must select by name (not by label)",
        ),
        ("ClusterResourceOverride", {f"{PATCH}.op": "move"}, 'supported values: "add", "remove", "replace"'),
        ("ClusterResourceOverride", {f"{PATCH}.path": "spec"}, "path must start with / and have no empty segment"),
        ("ClusterResourceOverride", {f"{PATCH}.path": "/spec//a"}, "path must start with / and have no empty segment"),
        ("ClusterResourceOverride", {f"{PATCH}.path": "/kind"}, "cannot override typeMeta fields"),
        ("ClusterResourceOverride", {f"{PATCH}.path": "/metadata/name"}, "cannot override metadata fields"),
        ("ClusterResourceOverride", {f"{PATCH}.path": "/status/phase"}, "cannot override status fields"),
        (
            "ClusterResourceOverride",
            {f"{RULE}.overrideType": "Delete"},
            "jsonPatchOverrides cannot be set when overrideType is Delete",
        ),
        (
            "ClusterResourceOverride",
            {f"{RULE}.clusterSelector.clusterSelectorTerms.0.propertySelector": {"matchExpressions": []}},
            "only labelSelector is supported in the clusterSelector of an override",
        ),
        (
            "ResourceOverride",
            {f"{RULE}.clusterSelector": {"clusterSelectorTerms": [{}]}},
            "labelSelector is required in each term of the clusterSelector of an override",
        ),
        (
            "ResourceOverride",
            {f"{RULE}.jsonPatchOverrides": None},
            "jsonPatchOverrides cannot be empty when overrideType is JSONPatch",
        ),
        (
            "ResourceOverride",
            {
                "spec.resourceSelectors": [
                    {"group": "apps", "version": v, "kind": "A", "name": "a"} for v in ("v1", "v2")
                ]
            },
            "each resource may be selected once",
        ),
        (
            "ClusterResourceOverride",
            {"spec.clusterResourceSelectors": [{"group": "", "version": "v1", "kind": "A", "name": "a"}] * 2},
            "each resource may be selected once",
        ),
        ("ResourceOverride", {"spec.resourceSelectors.0.name": ""}, "should be at least 1 chars long"),
        ("ResourceOverride", {f"{RULE}.overrideType": "Merge"}, 'supported values: "JSONPatch", "Delete"'),
        ("ResourceOverride", {PATCH: {"op": "add", "path": "/metadata"}}, "cannot override metadata fields"),
        ("ResourceOverride", {PATCH: {"op": "add", "path": "/apiVersion"}}, "cannot override typeMeta fields"),
        (
            "ResourceOverride",
            {PATCH: {"op": "add", "path": "/spec/"}},
            "path must start with / and have no empty segment",
        ),
        ("ResourceOverride", {f"{RULE}.jsonPatchOverrides": []}, "should have at least 1 items"),
        ("ResourceOverride", {"spec.policy.overrideRules": []}, "should have at least 1 items"),
        ("ClusterResourceEnvelope", {"data": {}}, "should have at least 1 properties"),
        ("ResourceEnvelope", {"data": {f"o{n}": {} for n in range(51)}}, "must have at most 50 items"),
        ("ResourceOverride", {"spec.resourceSelectors.0.name": None}, "name: Required value"),
        (
            "ClusterResourcePlacementDisruptionBudget",
            {"spec.minAvailable": 1},
            "Both MaxUnavailable and MinAvailable cannot be specified",
        ),
        (
            "ClusterResourcePlacementDisruptionBudget",
            {"spec.maxUnavailable": -1},
            "If supplied value is Integer must be greater than or equal to 0",
        ),
        (
            "ClusterResourcePlacementDisruptionBudget",
            {"spec.maxUnavailable": "101%"},
            "If supplied value is String should match regex '^(100|[0-9]{1,2})%$'",
        ),
        (
            "UpdateRun",
            {f"{UPGRADE}.kubernetesVersion": None},
            "kubernetesVersion is required when type is Full or ControlPlaneOnly",
        ),
        (
            "UpdateRun",
            {f"{UPGRADE}.type": "NodeImageOnly"},
            "kubernetesVersion must not be set when type is NodeImageOnly",
        ),
        ("UpdateRun", {f"{UPGRADE}.kubernetesVersion": "v1.31"}, "should match"),
        (
            "UpdateRun",
            {"spec.managedClusterUpdate.nodeImageSelection.type": "Latest"},
            "customNodeImageVersions must be set when type is Custom, and only then",
        ),
        (
            "UpdateRun",
            {"spec.updateStrategyName": "weekly"},
            "strategy and updateStrategyName cannot both be set",
        ),
        ("UpdateRun", {"spec.strategy.stages.0.groups.0.name": "b"}, "group names must be unique"),
        ("UpdateRun", {"spec.strategy.stages.0.name": "two"}, "stage names must be unique"),
        ("UpdateRun", {"spec.strategy.stages.0.groups": []}, "a stage needs at least one group or a memberSelector"),
        ("UpdateRun", {"spec.strategy.stages.0.maxConcurrency": 0}, "should be greater than or equal to 1"),
        ("UpdateRun", {"spec.strategy.stages.0.maxConcurrency": "0%"}, "should match"),
        ("UpdateRun", {"spec.strategy.stages": []}, "should have at least 1 items"),
        (
            "UpdateRun",
            {"spec.strategy.stages.0.beforeGates.0.type": "Approval"},
            "scheduledStartConfiguration must be set when type is ScheduledStart, and only then",
        ),
        (
            "UpdateRun",
            {"spec.strategy.stages.0.afterGates.0.type": "ScheduledStart"},
            "a gate of type ScheduledStart can only be a before gate",
        ),
        ("UpdateRun", {"spec.skips.0.type": "Gruop"}, 'supported values: "Member", "Group", "Stage", "AfterStageWait"'),
        (
            "AutoUpgradeProfile",
            {"spec.channel": "Rapid"},
            "targetKubernetesVersion must be set when channel is TargetKubernetesVersion, and only then",
        ),
        (
            "AutoUpgradeProfile",
            {"spec.channel": "Stable", "spec.targetKubernetesVersion": None},
            "longTermSupport can only be true when channel is TargetKubernetesVersion",
        ),
        (
            "AutoUpgradeProfile",
            {"spec": {"channel": "NodeImage", "nodeImageSelection": {"type": "Latest"}}},
            "nodeImageSelection must not be set when channel is NodeImage",
        ),
    ],
)
def test_refused(kind: str, changes: dict[str, Any], message: str) -> None:
    assert message in faults(kind, changes)


IMMUTABLE_RUN_FIELDS = [
    (f"spec.{field}", f"{field} is immutable")
    for field in ("placementName", "resourceSnapshotIndex", "stagedRolloutStrategyName")
]


@pytest.mark.parametrize("kind", ["ClusterStagedUpdateRun", "StagedUpdateRun"])
@pytest.mark.parametrize(("path", "message"), IMMUTABLE_RUN_FIELDS)
def test_what_a_staged_run_rolls_out_cannot_be_changed(kind: str, path: str, message: str) -> None:
    assert message in faults(kind, {path: "other"}, before={})


def test_an_index_can_be_given_later() -> None:
    assert faults("ClusterStagedUpdateRun", {}, before={"spec.resourceSnapshotIndex": None}) == ""


STATES = ("Initialize", "Run", "Stop")


@pytest.mark.parametrize("kind", ["ClusterStagedUpdateRun", "StagedUpdateRun"])
@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_the_states_of_a_staged_run(kind: str, before: str, after: str) -> None:
    allowed = before == after or (before, after) in {("Initialize", "Run"), ("Run", "Stop"), ("Stop", "Run")}
    message = f"invalid state transition: cannot transition from {before} to {after}"
    found = faults(kind, {"spec.state": after}, before={"spec.state": before})
    assert (message in found) is not allowed


@pytest.mark.parametrize("state", STATES)
def test_a_run_without_a_state_may_get_any(state: str) -> None:
    assert faults("ClusterStagedUpdateRun", {"spec.state": state}, before={"spec.state": None}) == ""


def test_a_state_under_a_wrong_name_is_not_a_state() -> None:
    obj = whole("ClusterStagedUpdateRun", "v1beta1", changed(VALID["ClusterStagedUpdateRun"], {"spec.State": "Stop"}))
    assert obj["spec"]["state"] == "Run"
    assert "State" not in obj["spec"]


@pytest.mark.parametrize(
    ("kind", "before", "after", "message"),
    [
        ("ClusterResourcePlacement", {}, PICK_ALL, "placement type is immutable"),
        ("ClusterResourcePlacement", {}, {POLICY: None}, "policy cannot be removed once set"),
        (
            "ClusterResourcePlacement",
            {"spec.strategy": {"type": "External"}},
            {},
            "cannot change rollout strategy type from 'External' to other types",
        ),
        (
            "ClusterResourcePlacement",
            {"spec.strategy": {"type": "External"}},
            {"spec.strategy": None},
            "cannot change rollout strategy type from 'External' to other types",
        ),
        (
            "ClusterResourcePlacement",
            {},
            {"spec.statusReportingScope": "NamespaceAccessible"},
            "statusReportingScope is immutable",
        ),
        ("ClusterApprovalRequest", {}, {"spec.targetStage": "two"}, "The spec field is immutable"),
        ("ApprovalRequest", {}, {"spec.parentStageRollout": "other"}, "The spec field is immutable"),
        ("ClusterResourceOverride", {}, {"spec.placement": None}, "The placement field is immutable"),
        ("ResourceOverride", {}, {"spec.placement.name": "other"}, "The placement field is immutable"),
        (
            "ClusterResourcePlacementEviction",
            {},
            {"spec.placementName": "other"},
            "The PlacementName field is immutable",
        ),
        ("ClusterResourcePlacementEviction", {}, {"spec.clusterName": "other"}, "The ClusterName field is immutable"),
        (
            "UpdateRun",
            {"spec.state": "Run"},
            {"spec.state": "Initialize"},
            "invalid state transition: cannot transition from Run to Initialize",
        ),
        (
            "UpdateRun",
            {"spec.state": "Stop"},
            {"spec.state": "Run", f"{UPGRADE}.kubernetesVersion": "1.31.2"},
            "managedClusterUpdate cannot be changed once the run was started",
        ),
        (
            "UpdateRun",
            {"spec.state": "Run"},
            {"spec.state": "Run", "spec.strategy": None, "spec.updateStrategyName": "weekly"},
            "the strategy cannot be changed once the run was started",
        ),
        ("UpdateRun", {"spec.attempt": 2}, {"spec.attempt": 1}, "attempt cannot be lowered"),
        (
            "UpdateRun",
            {"spec.state": "Run", "status": {"state": "Completed"}},
            {"spec.state": "Run", "spec.attempt": 1, "status": {"state": "Completed"}},
            "the run is completed and cannot be started, stopped or changed any more",
        ),
        ("Gate", {}, {"spec.target.stage": "two"}, "the spec of a gate is immutable"),
        (
            "Gate",
            {"status.state": "Completed"},
            {"status.state": "Pending"},
            "a gate that is Completed or Skipped cannot change",
        ),
    ],
)
def test_refused_as_a_change(kind: str, before: dict[str, Any], after: dict[str, Any], message: str) -> None:
    assert message in faults(kind, after, before=before)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("ClusterResourcePlacement", {}, {"spec.strategy": {"type": "External"}}),
        ("ClusterResourcePlacement", {POLICY: None}, PICK_ALL),
        ("ResourcePlacement", {POLICY: None}, {}),
        ("UpdateRun", {}, {f"{UPGRADE}.kubernetesVersion": "1.31.2"}),
        ("UpdateRun", {}, {"spec.state": "Run", "spec.attempt": 1}),
        ("UpdateRun", {"status": {"state": "Failed"}}, {"spec.attempt": 1, "status": {"state": "Failed"}}),
        ("UpdateRun", {"status": {"state": "Running"}}, {"status": {"state": "Completed"}}),
        ("UpdateRun", {"spec.state": "Stop", "spec.attempt": 1}, {"spec.state": "Run", "spec.attempt": 2}),
        ("Gate", {}, {"status.state": "Completed"}),
        ("ClusterStagedUpdateStrategy", {}, {"spec.stages.0.name": "three"}),
    ],
)
def test_taken_as_a_change(kind: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert faults(kind, after, before=before) == ""


@pytest.mark.parametrize(
    ("kind", "limit", "message"),
    [
        ("MemberCluster", 63, "metadata.name max length is 63"),
        ("ClusterStagedUpdateRun", 63, "metadata.name max length is 63"),
        ("StagedUpdateRun", 63, "metadata.name max length is 63"),
        ("ClusterResourcePlacement", 63, "the name field cannot have length exceeding 63"),
        ("UpdateRun", 50, "metadata.name max length is 50"),
    ],
)
def test_names_have_a_limit(kind: str, limit: int, message: str) -> None:
    assert faults(kind, {}, name="n" * limit) == ""
    assert message in faults(kind, {}, name="n" * (limit + 1))


def test_rules_stand_where_their_cost_has_a_bound() -> None:
    """Kubernetes refuses a definition whose rules could cost too much; a rule below a list costs once an item."""
    unbounded = [
        f"{kind}: {path}"
        for kind, crd in MANIFESTS.items()
        for version in crd["spec"]["versions"]
        for path in rules_below_unbounded(version["schema"]["openAPIV3Schema"], "", bounded=True)
    ]
    assert unbounded == []


def rules_below_unbounded(schema: dict[str, Any], path: str, *, bounded: bool) -> list[str]:
    """Where rules stand below a list or map of any length."""
    found = [path] if "x-kubernetes-validations" in schema and not bounded else []
    for name, field in schema.get("properties", {}).items():
        found += rules_below_unbounded(field, f"{path}.{name}", bounded=bounded)
    for key, limit in (("items", "maxItems"), ("additionalProperties", "maxProperties")):
        if isinstance(schema.get(key), dict):
            found += rules_below_unbounded(schema[key], f"{path}[]", bounded=bounded and limit in schema)
    return found
