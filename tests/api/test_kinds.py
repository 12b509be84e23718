"""The structs against the wire: what the server stores can be read, and what is written it takes."""

from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from echelon.api.binding import BOUND, ClusterResourceBinding
from echelon.api.conditions import is_true_at_generation
from echelon.api.crds import DEFINITIONS
from echelon.api.meta import KubeObject, encode, from_dict, to_dict
from echelon.api.placement import ApplyStrategy, ClusterResourcePlacement, EnvelopeIdentifier
from echelon.api.schema import kind_schema
from echelon.api.snapshot import ClusterResourceSnapshot
from echelon.api.staged import ClusterStagedUpdateRun, StageConfig, UpdateRunSpec

KINDS = [definition.kind for definition in DEFINITIONS]


RUN = """
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterStagedUpdateRun
metadata:
  name: rel-7
  generation: 2
  finalizers: [kubernetes-fleet.io/stagedupdaterun-finalizer]
spec: {placementName: web, stagedRolloutStrategyName: twostep, state: Run}
status:
  policySnapshotIndexUsed: "0"
  policyObservedClusterCount: 2
  resourceSnapshotIndexUsed: "4"
  appliedStrategy: {type: ClientSideApply, comparisonOption: PartialComparison, whenToApply: Always}
  stagedUpdateStrategySnapshot:
    stages:
    - name: canary
      labelSelector: {matchLabels: {env: canary}}
      maxConcurrency: 1
      afterStageTasks: [{type: Approval}, {type: TimedWait, waitTime: 5m0s}]
    - {name: prod, labelSelector: {}, maxConcurrency: 50%, beforeStageTasks: [{type: Approval}]}
  stagesStatus:
  - stageName: canary
    startTime: "2026-01-31T08:00:00Z"
    clusters:
    - clusterName: c2
      clusterResourceOverrideSnapshots: [cro-a-0]
      resourceOverrideSnapshots: [{name: ro-b-1, namespace: app}]
      conditions:
      - {type: Started, status: "True", reason: ClusterUpdatingStarted, observedGeneration: 2}
    afterStageTaskStatus:
    - {type: Approval, approvalRequestName: rel-7-after-canary}
    - {type: TimedWait}
  - {stageName: prod, clusters: []}
  deletionStageStatus: {stageName: kubernetes-fleet.io/deleteStage, clusters: []}
  conditions:
  - {type: Initialized, status: "True", reason: UpdateRunInitializedSuccessfully, observedGeneration: 2}
"""

BINDING = """
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourceBinding
metadata: {name: web-c1-1a2b3c4d}
spec:
  state: Bound
  targetCluster: c1
  resourceSnapshotName: ""
  schedulingPolicySnapshotName: web-0
  clusterDecision:
    clusterName: c1
    selected: true
    clusterScore: {affinityScore: 0, priorityScore: 0}
    reason: picked by scheduling policy
  applyStrategy: {type: ServerSideApply, serverSideApplyConfig: {force: true}}
"""


def read(kind: type[Any], text: str) -> Any:
    return from_dict(kind, yaml.safe_load(text))


def test_a_run() -> None:
    run: ClusterStagedUpdateRun = read(ClusterStagedUpdateRun, RUN)
    assert run.spec == UpdateRunSpec(placement_name="web", staged_rollout_strategy_name="twostep", state="Run")
    strategy = run.status.staged_update_strategy_snapshot
    assert strategy is not None
    assert [stage.max_concurrency for stage in strategy.stages] == [1, "50%"]
    assert strategy.stages[1].label_selector is not None
    assert strategy.stages[1].label_selector.matches({"any": "thing"})
    assert run.status.applied_strategy == ApplyStrategy()
    assert run.status.stages_status[0].clusters[0].resource_override_snapshots[0].namespace == "app"
    assert is_true_at_generation(run.status.conditions, "Initialized", 2)


def test_a_stage_without_clusters_is_written_with_an_empty_list() -> None:
    run = to_dict(read(ClusterStagedUpdateRun, RUN))
    assert run["status"]["stagesStatus"][1] == {"stageName": "prod", "clusters": []}
    assert run["status"]["deletionStageStatus"] == {"stageName": "kubernetes-fleet.io/deleteStage", "clusters": []}


def test_a_run_without_a_state_says_so() -> None:
    """What it means is the hub's dialect, so it must not look like a choice of the user's."""
    run = read(ClusterStagedUpdateRun, "{spec: {placementName: web, stagedRolloutStrategyName: s, State: Run}}")
    assert run.spec.state is None
    assert "state" not in to_dict(run)["spec"]


def test_a_binding() -> None:
    binding: ClusterResourceBinding = read(ClusterResourceBinding, BINDING)
    assert binding.spec.state == BOUND
    assert binding.spec.apply_strategy is not None
    assert binding.spec.apply_strategy.server_side_apply_config is not None
    assert binding.spec.apply_strategy.server_side_apply_config.force
    assert to_dict(binding) == yaml.safe_load(BINDING)


def test_what_a_snapshot_holds_is_passed_on_as_it_came() -> None:
    manifest = b'{"kind":"ConfigMap",  "apiVersion":"v1", "data":{"n":1.0}}'
    text = b'{"spec":{"selectedResources":[' + manifest + b"]}}"
    snapshot = msgspec.json.decode(text, type=ClusterResourceSnapshot)
    assert msgspec.json.decode(snapshot.spec.selected_resources[0])["kind"] == "ConfigMap"
    assert manifest in encode(snapshot)


def test_what_is_absent_reads_as_the_server_would_default_it() -> None:
    placement: ClusterResourcePlacement = read(
        ClusterResourcePlacement, "{spec: {resourceSelectors: [{group: '', version: v1, kind: Namespace}]}}"
    )
    assert placement.spec.strategy.type == "RollingUpdate"
    assert placement.spec.revision_history_limit == 10
    assert StageConfig(name="one").max_concurrency == 1
    assert EnvelopeIdentifier(name="e").type == "ConfigMap"


TEXT = st.text("ab1", max_size=3)
JSON_OBJECTS = st.dictionaries(TEXT, TEXT | st.integers(-9, 9) | st.none(), max_size=2)


def objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The values that a structural schema allows. Patterns, formats and rules are left out, as readers leave them."""
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 9) | TEXT
    if "type" not in schema:
        return JSON_OBJECTS | TEXT | st.integers(-9, 9)
    match schema["type"]:
        case "string" if schema.get("format") == "byte":
            return st.sampled_from(["", "YWJj"])
        case "string":
            return st.sampled_from(schema["enum"]) if "enum" in schema else TEXT
        case "integer":
            return st.integers(0, 9)
        case "boolean":
            return st.booleans()
        case "array":
            return st.lists(objects(schema["items"]), max_size=2)
        case "object" if "properties" in schema:
            fields = {name: objects(field) for name, field in schema["properties"].items()}
            required = {name: fields.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=fields)
        case "object" if "additionalProperties" in schema:
            return st.dictionaries(TEXT, objects(schema["additionalProperties"]), max_size=2)
        case "object":
            return JSON_OBJECTS
    raise AssertionError(f"a schema of an unknown form: {schema}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_server_stores_can_be_read_and_written_back(kind: type[KubeObject], data: st.DataObject) -> None:
    """Whatever the schema allows decodes, survives a round trip and still has what the schema requires."""
    schema = kind_schema(kind, kind.resource.version)
    stored = data.draw(objects(schema))
    obj = from_dict(kind, stored)
    written = to_dict(obj)
    assert to_dict(from_dict(kind, written)) == written
    assert missing(schema, written) == []


def missing(schema: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """The required fields that a value lacks, anywhere in it."""
    if isinstance(value, list):
        return [lack for item in value for lack in missing(schema["items"], item, f"{path}[]")]
    if not isinstance(value, dict):
        return []
    fields = schema.get("properties", {})
    required = [name for name in schema.get("required", ()) if "default" not in fields[name]]
    found = [f"{path}.{name}" for name in required if name not in value]
    for name, field in fields.items():
        if name in value:
            found += missing(field, value[name], f"{path}.{name}")
    if isinstance(schema.get("additionalProperties"), dict):
        for item in value.values():
            found += missing(schema["additionalProperties"], item, f"{path}{{}}")
    return found
