"""``echelon explain``, ``placement`` and ``cluster`` as users type them, and as a plugin of kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from echelon.api.binding import ClusterResourceBinding
from echelon.api.cluster import MemberCluster
from echelon.api.placement import ClusterResourcePlacement
from echelon.api.work import Work
from echelon.cli.story import HOW, WHAT, WHERE

from ..processes import PATIENCE, HubProcess
from .hubs import create, ok, refused, until, with_client

ROLLING = """\
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourcePlacement
metadata: {name: rolling}
spec:
  resourceSelectors: [{group: "", version: v1, kind: Namespace, name: shop}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: placement.kubernetes-fleet.io/v1beta1
kind: ClusterResourcePlacement
metadata: {name: wanting}
spec:
  resourceSelectors: [{group: "", version: v1, kind: Namespace, name: shop}]
  policy: {placementType: PickFixed, clusterNames: [absent]}
"""
UPGRADE = """\
apiVersion: fleet.echelon.dev/v1alpha1
kind: UpdateRun
metadata: {name: may}
spec:
  managedClusterUpdate: {upgrade: {type: NodeImageOnly}}
"""


def available(placement: ClusterResourcePlacement) -> bool:
    return any(
        condition.type == "ClusterResourcePlacementAvailable" and condition.status == "True"
        for condition in placement.status.conditions
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data")
    hub.start()
    create(hub, ROLLING, WHAT, WHERE, HOW.format(wait="1s"), UPGRADE)
    until(hub, ClusterResourcePlacement, "rolling", available)
    try:
        yield hub
    finally:
        hub.close()


def test_a_placement_that_nobody_rolled_out_names_the_command_that_does(hub: HubProcess) -> None:
    until(
        hub,
        ClusterResourcePlacement,
        "example-placement",
        lambda placement: len(placement.status.placement_statuses) == 3,
    )
    said = ok(hub, "explain", "crp", "example-placement")
    assert "Waits for a run: nothing was rolled out to member1, member2, member3 yet" in said
    assert f"echelon rollout start example-placement --kubeconfig {hub.kubeconfig}\n" in said


def test_a_placement_member_by_member(hub: HubProcess) -> None:
    shown = ok(hub, "placement", "status", "rolling")
    assert shown.startswith("ClusterResourcePlacement rolling  available\n")
    assert [line.split()[:4] for line in shown.splitlines() if line.startswith("member")] == [
        [name, "0", "Available", "True"] for name in ("member1", "member2", "member3")
    ]
    data = json.loads(ok(hub, "placement", "status", "rolling", "-o", "json"))
    assert [status["clusterName"] for status in data["placementStatuses"]] == ["member1", "member2", "member3"]


def test_a_placement_that_cannot_be_scheduled_says_why(hub: HubProcess) -> None:
    until(
        hub,
        ClusterResourcePlacement,
        "wanting",
        lambda placement: any(condition.status == "False" for condition in placement.status.conditions),
    )
    shown = ok(hub, "placement", "status", "wanting")
    assert "Waits for members that its policy accepts" in shown
    assert "not chosen: " in shown


def test_what_the_hub_made_of_a_placement(hub: HubProcess) -> None:
    bindings = with_client(hub, lambda client: client.list(ClusterResourceBinding)).items
    name = next(found.metadata.name for found in bindings if found.metadata.name.startswith("rolling-"))
    said = ok(hub, "explain", "binding", name)
    assert "placement rolling on member" in said
    assert said.endswith("Waits for nothing.\n")
    (work,) = with_client(hub, lambda client: client.list(Work, namespace="fleet-member-member1")).items
    said = ok(hub, "explain", "work", work.metadata.name, "-n", "fleet-member-member1")
    assert said.startswith(f"Work fleet-member-member1/{work.metadata.name}  applied and available\n")


def test_an_update_run_names_the_command_that_starts_it(hub: HubProcess) -> None:
    said = ok(hub, "explain", "updaterun", "may", "--query", "waits[0].command", "-o", "tsv")
    assert said == f"echelon updaterun start -n may --kubeconfig {hub.kubeconfig}\n"


def test_a_member_is_drained_and_taken_back(hub: HubProcess) -> None:
    assert "joined and healthy" in ok(hub, "explain", "member", "member1")
    done = ok(hub, "cluster", "drain", "member1")
    assert "rolling  evicted" in done
    member = until(hub, MemberCluster, "member1", lambda found: bool(found.spec.taints))
    assert [taint.key for taint in member.spec.taints] == ["cordon-key"]
    assert "echelon cluster uncordon member1" in ok(hub, "explain", "member", "member1")
    assert ok(hub, "cluster", "uncordon", "member1") == "member1 takes placements again\n"
    assert ok(hub, "cluster", "uncordon", "member1") == "member1 was not cordoned\n"


REFUSALS = [
    (["explain", "pod", "x"], 2, "'pod' is no kind that can be explained; want one of placement, binding, work,"),
    (["explain", "work", "x"], 2, "a work is in the namespace of its member; name it with -n"),
    (["explain", "rp", "x"], 2, "a rp is in a namespace; name it with -n"),
    (["explain", "member", "member1", "-n", "shop"], 2, "a member is in no namespace; leave out -n shop"),
    (["explain", "member", "absent"], 1, "no MemberCluster 'absent'; there is member1, member2, member3"),
    (["explain", "gate", "absent"], 1, "no Gate 'absent'; there is none"),
    (["explain", "cu", "absent"], 1, "no ClusterUpgrade 'absent' in namespace 'fleet-member-absent'; there is none"),
    (["explain", "rollout", "absent"], 1, "no ClusterStagedUpdateRun 'absent'; there is none"),
    (["explain", "approval", "absent", "-n", "shop"], 1, "no ApprovalRequest 'absent' in namespace 'shop'; there is"),
    (["explain", "binding", "absent", "-n", "shop"], 1, "no ResourceBinding 'absent' in namespace 'shop'; there is"),
    (["explain", "eviction", "absent"], 1, "no ClusterResourcePlacementEviction 'absent'; there is "),
    (["placement", "status", "absent"], 1, "no ClusterResourcePlacement 'absent'; there is example-placement, rolling"),
    (["cluster", "drain", "absent"], 1, "no MemberCluster 'absent'; there is member1, member2, member3"),
    (["cluster", "uncordon", "absent"], 1, "no MemberCluster 'absent'; there is member1, member2, member3"),
]


@pytest.mark.parametrize(("words", "code", "message"), REFUSALS, ids=[" ".join(words) for words, _, _ in REFUSALS])
def test_refusals_are_one_line(hub: HubProcess, words: list[str], code: int, message: str) -> None:
    found, line = refused(hub, *words)
    assert (found, line[: len("echelon: " + message)]) == (code, "echelon: " + message)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")
def test_a_plugin_of_kubectl_names_commands_of_the_plugin(hub: HubProcess) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["kubectl", "echelon", "explain", "crp", "example-placement"],
        env=os.environ | {"PATH": path, "KUBECONFIG": str(hub.kubeconfig)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert "  kubectl echelon rollout start example-placement\n" in done.stdout
