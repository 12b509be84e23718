"""``echelon rollout …`` as users type it, in both scopes, against a hub in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from echelon.api.conditions import SUCCEEDED, find_condition
from echelon.api.meta import Resource
from echelon.api.placement import ClusterResourcePlacement
from echelon.api.snapshot import ClusterResourceSnapshot, ResourceSnapshot
from echelon.api.staged import ClusterApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun
from echelon.cli.story import CONFIG_MAP, CONFIG_MAPS, HOW, WHAT, WHERE
from echelon.explain.kinds import Run
from echelon.explain.outline import outline
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch

from ..processes import HubProcess
from .hubs import cli, create, ok, refused, until, with_client

DEPLOYMENTS = Unstructured(Resource("apps", "v1", "deployments", "Deployment", namespaced=True))
TEAM = """\
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourcePlacement
metadata: {name: rolling}
spec:
  resourceSelectors: [{group: "", version: v1, kind: Namespace, name: team, selectionScope: NamespaceOnly}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: team}
data: {size: small}
---
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ResourcePlacement
metadata: {name: settings, namespace: team}
spec:
  resourceSelectors: [{group: "", version: v1, kind: ConfigMap, name: settings}]
  strategy: {type: External}
---
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: StagedUpdateStrategy
metadata: {name: all-at-once, namespace: team}
spec:
  stages: [{name: all, labelSelector: {}, maxConcurrency: 100%, afterStageTasks: [{type: Approval}]}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: test-namespace
  annotations: {simulation.fleet.echelon.dev/fail: ImagePullBackOff}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1"}]}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data")
    hub.start()
    create(hub, WHAT, WHERE, HOW.format(wait="1s"), TEAM)
    until(hub, ClusterResourceSnapshot, "example-placement-0-snapshot", lambda _: True)
    until(hub, ResourceSnapshot, "settings-0-snapshot", lambda _: True, "team")
    try:
        yield hub
    finally:
        hub.close()


def ended(run: Run) -> bool:
    return find_condition(run.status.conditions, SUCCEEDED) is not None


def waiting(run: Run) -> bool:
    return outline(run).state.value == "waiting" and outline(run).items[-1].items[-1].state.value == "waiting"


def test_a_rollout_from_start_to_rollback(hub: HubProcess) -> None:
    started = ok(hub, "rollout", "start", "example-placement")
    assert started.splitlines()[0] == (
        "Started example-placement-1: example-placement, what it selects now, by strategy example-strategy"
    )
    until(hub, ClusterStagedUpdateRun, "example-placement-1", waiting)
    approved = ok(hub, "rollout", "approve", "example-placement-1", "--note", "looks good")
    assert approved == "Approved example-placement-1-canary (stage canary)\n"
    request = until(hub, ClusterApprovalRequest, "example-placement-1-canary", lambda _: True)
    condition = find_condition(request.status.conditions, "Approved")
    assert condition is not None
    assert (condition.reason, condition.message) == ("ApprovedByUser", "looks good")
    until(hub, ClusterStagedUpdateRun, "example-placement-1", ended)

    change = MergePatch({"data": {"key": "v2"}})
    with_client(hub, lambda client: client.patch(CONFIG_MAPS, CONFIG_MAP, change))
    until(hub, ClusterResourceSnapshot, "example-placement-1-snapshot", lambda _: True)
    ok(hub, "rollout", "start", "example-placement", "--name", "release", "--snapshot", "1")
    until(hub, ClusterStagedUpdateRun, "release", waiting)

    history = ok(hub, "rollout", "history", "example-placement")
    assert "~ ConfigMap test-namespace/test-cm: data.key v1 → v2" in history
    data = json.loads(ok(hub, "rollout", "history", "example-placement", "-o", "json"))
    assert [snapshot["proven_by"] for snapshot in data["snapshots"]] == ["example-placement-1", ""]
    assert [run["name"] for run in data["runs"]] == ["example-placement-1", "release"]

    reason = "example-placement goes back from snapshot 1 (run release, waiting) to snapshot 0: the last that was"
    dry = ok(hub, "rollout", "rollback", "release", "--dry-run")
    assert dry.startswith(reason)
    assert dry.splitlines()[1:] == [
        "Would stop release, which is still going on",
        "Would start a run of snapshot 0, by strategy example-strategy",
    ]
    back = ok(hub, "rollout", "rollback", "example-placement")
    assert back.startswith(reason)
    assert "Started example-placement-2: example-placement, snapshot 0" in back
    until(hub, ClusterStagedUpdateRun, "release", lambda run: run.spec.state == "Stop")
    until(hub, ClusterStagedUpdateRun, "example-placement-2", waiting)
    ok(hub, "rollout", "approve", "example-placement-2", "canary")
    until(hub, ClusterStagedUpdateRun, "example-placement-2", ended)
    found = with_client(hub, lambda client: client.get(CONFIG_MAPS, CONFIG_MAP), "member1")
    assert found["data"] == {"key": "v1"}


def test_a_rollout_of_a_team_in_its_namespace(hub: HubProcess) -> None:
    scope = ("-n", "team")
    ok(hub, "rollout", "start", "settings", *scope)
    until(hub, StagedUpdateRun, "settings-1", waiting, "team")
    status = ok(hub, "rollout", "status", "settings-1", *scope)
    assert "echelon rollout approve settings-1 all -n team" in status
    assert ok(hub, "rollout", "approve", "settings-1", *scope) == "Approved settings-1-all (stage all)\n"
    until(hub, StagedUpdateRun, "settings-1", ended, "team")
    assert "snapshot 0" in ok(hub, "rollout", "history", "settings", *scope)
    code, line = refused(hub, "rollout", "rollback", "settings", *scope)
    assert code == 1
    assert line.startswith("echelon: no other snapshot of 'settings' is known to have been available everywhere")


def test_a_run_is_stopped_and_resumed(hub: HubProcess) -> None:
    ok(hub, "rollout", "start", "example-placement", "--name", "held")
    until(hub, ClusterStagedUpdateRun, "held", waiting)
    assert "held stops" in ok(hub, "rollout", "stop", "held")
    until(hub, ClusterStagedUpdateRun, "held", lambda run: outline(run).state.value == "stopped")
    assert "held was stopped already" in ok(hub, "rollout", "stop", "held")
    assert "Waits for somebody to resume it" in ok(hub, "rollout", "status", "held")
    assert "held goes on" in ok(hub, "rollout", "resume", "held")
    assert "held is going on already" in ok(hub, "rollout", "resume", "held")
    until(hub, ClusterStagedUpdateRun, "held", waiting)
    ok(hub, "rollout", "approve", "held")
    until(hub, ClusterStagedUpdateRun, "held", ended)
    assert refused(hub, "rollout", "stop", "held") == (
        1,
        "echelon: the run 'held' cannot be stopped: it is over (done); start another one",
    )


REFUSALS = [
    (["start", "absent"], 1, "no ClusterResourcePlacement 'absent'; there is example-placement, rolling"),
    (
        ["start", "rolling"],
        1,
        "the placement 'rolling' rolls out by itself: its spec.strategy.type is 'RollingUpdate'; runs want 'External'",
    ),
    (
        ["start", "example-placement", "--strategy", "absent"],
        1,
        "no ClusterStagedUpdateStrategy 'absent'; there is example-strategy",
    ),
    (["start", "example-placement", "--snapshot", "99"], 1, "the placement 'example-placement' has no snapshot 99; "),
    (
        ["start", "example-placement", "--snapshot", "one"],
        2,
        "--snapshot 'one' is no index of a snapshot; want a whole number from 0",
    ),
    (["start", "example-placement", "--name", "A B"], 2, "--name 'A B' is no name; want lower-case letters"),
    (["start", "example-placement", "--name", "a" * 64], 2, f"--name '{'a' * 64}' has 64 characters; a run's name"),
    (["start", "settings", "-n", "elsewhere"], 1, "no ResourcePlacement 'settings' in namespace 'elsewhere'; there is"),
    (["approve", "absent"], 1, "no ClusterStagedUpdateRun 'absent'; there is "),
    (["stop", "absent"], 1, "no ClusterStagedUpdateRun 'absent'; there is "),
    (["resume", "absent", "-n", "default"], 1, "no StagedUpdateRun 'absent' in namespace 'default'; there is none"),
    (
        ["rollback", "absent"],
        1,
        "no ClusterResourcePlacement and no ClusterStagedUpdateRun 'absent'; there is the placement example-placement,",
    ),
    (["rollback", "rolling"], 1, "the placement 'rolling' rolls out by itself"),
    (["history", "absent"], 1, "no ClusterResourcePlacement 'absent'; there is example-placement, rolling"),
]


@pytest.mark.parametrize(("words", "code", "message"), REFUSALS, ids=[" ".join(words) for words, _, _ in REFUSALS])
def test_refusals_are_one_line(hub: HubProcess, words: list[str], code: int, message: str) -> None:
    found, line = refused(hub, "rollout", *words)
    assert (found, line[: len("echelon: " + message)]) == (code, "echelon: " + message)


def test_approvals_that_are_not_waited_for(hub: HubProcess) -> None:
    ok(hub, "rollout", "start", "example-placement", "--name", "asked")
    until(hub, ClusterStagedUpdateRun, "asked", waiting)
    assert refused(hub, "rollout", "approve", "asked", "absent")[1] == (
        "echelon: the run 'asked' has no stage 'absent'; there is staging, canary"
    )
    assert refused(hub, "rollout", "approve", "asked", "staging")[1] == (
        "echelon: the run 'asked' waits for no approval of stage 'staging': the stage has none; "
        "it waits for the approval of stage canary"
    )
    ok(hub, "rollout", "approve", "asked")
    until(hub, ClusterStagedUpdateRun, "asked", ended)
    assert refused(hub, "rollout", "approve", "asked")[1] == (
        "echelon: the run 'asked' waits for no approval: it is over (done)"
    )
    assert cli(hub, "rollout", "start", "example-placement", "--name", "asked").exit_code == 1


def test_a_failing_deployment_stops_its_stage_and_rollback_heals_it(hub: HubProcess) -> None:
    """What cannot become available goes to the first stage only, status says why, and the way back is open."""
    create(hub, DEPLOYMENT)
    ok(hub, "rollout", "start", "example-placement", "--name", "bad")

    def stuck(run: ClusterStagedUpdateRun) -> bool:
        return bool(run.status.stages_status) and bool(run.status.stages_status[0].clusters[0].conditions)

    until(hub, ClusterStagedUpdateRun, "bad", stuck)
    until(
        hub,
        ClusterResourcePlacement,
        "example-placement",
        lambda placement: any(status.failed_placements for status in placement.status.placement_statuses),
    )
    status = ok(hub, "rollout", "status", "bad")
    assert "Waits for member2 in stage staging to be updated: on member2, Deployment test-namespace/web" in status
    assert "echelon rollout rollback bad" in status
    explained = ok(hub, "explain", "run", "bad")
    assert "Waits for member2 in stage staging to be updated: on member2, Deployment test-namespace/web" in explained
    ok(hub, "rollout", "rollback", "bad", "--name", "good")
    until(hub, ClusterStagedUpdateRun, "good", waiting)
    ok(hub, "rollout", "approve", "good")
    until(hub, ClusterStagedUpdateRun, "good", ended)
    on_member = with_client(hub, lambda client: client.list(DEPLOYMENTS), "member2")
    assert list(on_member.items) == []
