"""Deployments as kubectl users know them: pods, versions, and a status that is right at each moment."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.agent.availability import Availability, availability_of
from echelon.local.workloads.deployments import REVISION
from echelon.local.workloads.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from echelon.local.workloads.rehearsal import FAIL, READY_AFTER
from echelon.local.workloads.rolling import Size, bounds, sizes

from .cluster import Rehearsed, condition


def complete(replicas: int, generation: int):
    def is_so(status):
        return (
            status.get("observedGeneration") == generation
            and status.get("availableReplicas", 0) == status.get("updatedReplicas", 0) == replicas
            and status.get("replicas", 0) == replicas
        )

    return is_so


async def test_a_deployment_becomes_available_after_its_time(rehearsed: Rehearsed) -> None:
    began = rehearsed.since_begin()
    await rehearsed.workload(DEPLOYMENTS, replicas=3, annotations={READY_AFTER: "5s"})
    early = await rehearsed.until(DEPLOYMENTS, lambda status: status.get("updatedReplicas") == 3)
    assert early["status"].get("readyReplicas", 0) == 0
    assert early["status"]["unavailableReplicas"] == 3
    assert condition(early["status"], "Available") == ("False", "MinimumReplicasUnavailable")
    found = await rehearsed.until(DEPLOYMENTS, complete(3, 1))
    assert 5 <= rehearsed.since_begin() - began < 7
    assert found["status"]["readyReplicas"] == 3
    assert "unavailableReplicas" not in found["status"]
    assert condition(found["status"], "Available") == ("True", "MinimumReplicasAvailable")
    assert condition(found["status"], "Progressing") == ("True", "NewReplicaSetAvailable")
    assert availability_of("apps", "Deployment", found) is Availability.AVAILABLE


async def test_pods_are_owned_by_way_of_a_replica_set_and_spread_over_nodes(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=4)
    await rehearsed.until(DEPLOYMENTS, complete(4, 1))
    (replica_set,) = await rehearsed.all(REPLICA_SETS)
    (owner,) = replica_set["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Deployment", "web", True)
    pods = await rehearsed.pods()
    assert {pod["metadata"]["ownerReferences"][0]["name"] for pod in pods} == {replica_set["metadata"]["name"]}
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["n1", "n1", "n2", "n2"]
    assert all(pod["metadata"]["labels"].keys() == {"app", "pod-template-hash"} for pod in pods)
    assert all(pod["status"]["phase"] == "Running" and pod["status"]["podIP"] for pod in pods)


async def test_all_goes_with_the_deployment(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=2)
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))
    await rehearsed.admin.delete(DEPLOYMENTS, ("default", "web"))
    await rehearsed.pass_time(5)
    assert await rehearsed.pods() == []
    assert await rehearsed.all(REPLICA_SETS) == []


async def test_versions_keep_their_replica_set_and_can_be_gone_back_to(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=2)
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))
    (first,) = await rehearsed.all(REPLICA_SETS)
    await rehearsed.set_image(DEPLOYMENTS, "app:2")
    second = await rehearsed.until(DEPLOYMENTS, complete(2, 2))
    assert second["metadata"]["annotations"][REVISION] == "2"
    await rehearsed.set_image(DEPLOYMENTS, "app:1")
    third = await rehearsed.until(DEPLOYMENTS, complete(2, 3))
    assert third["metadata"]["annotations"][REVISION] == "3"
    sets = {one["metadata"]["name"]: one for one in await rehearsed.all(REPLICA_SETS)}
    assert len(sets) == 2
    assert sets[first["metadata"]["name"]]["metadata"]["annotations"][REVISION] == "3"
    assert sorted(one["spec"]["replicas"] for one in sets.values()) == [0, 2]


async def test_old_versions_are_forgotten_beyond_the_limit(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=1, revisionHistoryLimit=1)
    for generation in range(1, 5):
        await rehearsed.set_image(DEPLOYMENTS, f"app:{generation}")
        await rehearsed.until(
            DEPLOYMENTS, lambda status: condition(status, "Progressing") == ("True", "NewReplicaSetAvailable")
        )
        await rehearsed.pass_time(10)
    assert len(await rehearsed.all(REPLICA_SETS)) == 2


async def test_scaling(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=1)
    await rehearsed.until(DEPLOYMENTS, complete(1, 1))
    await rehearsed.edit(DEPLOYMENTS, "web", {"spec": {"replicas": 4}})
    await rehearsed.until(DEPLOYMENTS, complete(4, 2))
    await rehearsed.edit(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
    await rehearsed.until(DEPLOYMENTS, complete(0, 3))
    await rehearsed.pass_time(5)
    assert await rehearsed.pods() == []


@pytest.mark.parametrize(
    ("wish", "image", "reason"),
    [
        ("true", "app:2", "CrashLoopBackOff"),
        ("ImagePullBackOff", "app:2", "ImagePullBackOff"),
        ("the disk is full", "app:2", "CrashLoopBackOff"),
        ("", "registry.invalid/app:2", "ImagePullBackOff"),
    ],
)
async def test_a_bad_version_never_becomes_available(rehearsed: Rehearsed, wish: str, image: str, reason: str) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=4, progressDeadlineSeconds=60)
    await rehearsed.until(DEPLOYMENTS, complete(4, 1))
    pod = {"containers": [{"name": "c", "image": image}]}
    template = {"metadata": {"annotations": {FAIL: wish}}, "spec": pod}
    await rehearsed.edit(DEPLOYMENTS, "web", {"spec": {"template": template}})
    stuck = await rehearsed.until(
        DEPLOYMENTS, lambda status: condition(status, "Progressing") == ("False", "ProgressDeadlineExceeded")
    )
    status = stuck["status"]
    assert status["availableReplicas"] == 3  # of four, 25 % may be unavailable
    assert condition(status, "Available") == ("True", "MinimumReplicasAvailable")
    assert availability_of("apps", "Deployment", stuck) is Availability.NOT_YET
    waiting = [
        container["state"]["waiting"]
        for pod in await rehearsed.pods()
        for container in pod["status"]["containerStatuses"]
        if "waiting" in container["state"]
    ]
    assert waiting
    assert {state["reason"] for state in waiting} == {reason}
    if " " in wish:
        assert {state["message"] for state in waiting} == {wish}
    await rehearsed.edit(
        DEPLOYMENTS,
        "web",
        {
            "spec": {
                "template": {
                    "metadata": {"annotations": None},
                    "spec": {**pod, "containers": [{"name": "c", "image": "app:1"}]},
                }
            }
        },
    )
    healed = await rehearsed.until(DEPLOYMENTS, complete(4, 3))
    assert condition(healed["status"], "Progressing") == ("True", "NewReplicaSetAvailable")


async def test_an_annotation_of_the_deployment_fails_it_at_once_and_heals_it(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=2)
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))
    await rehearsed.edit(DEPLOYMENTS, "web", {"metadata": {"annotations": {FAIL: "true"}}})
    down = await rehearsed.until(DEPLOYMENTS, lambda status: status.get("unavailableReplicas") == 2)
    assert condition(down["status"], "Available") == ("False", "MinimumReplicasUnavailable")
    await rehearsed.edit(DEPLOYMENTS, "web", {"metadata": {"annotations": {FAIL: None}}})
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))


async def test_a_version_that_is_paused_does_not_start(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=1)
    await rehearsed.until(DEPLOYMENTS, complete(1, 1))
    await rehearsed.edit(DEPLOYMENTS, "web", {"spec": {"paused": True}})
    await rehearsed.set_image(DEPLOYMENTS, "app:2")
    await rehearsed.pass_time(60)
    assert len(await rehearsed.all(REPLICA_SETS)) == 1
    await rehearsed.edit(DEPLOYMENTS, "web", {"spec": {"paused": False}})
    await rehearsed.until(DEPLOYMENTS, complete(1, 4))


async def test_recreate_empties_before_it_fills(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=3, strategy={"type": "Recreate"})
    await rehearsed.until(DEPLOYMENTS, complete(3, 1))
    await rehearsed.set_image(DEPLOYMENTS, "app:2")
    await rehearsed.until(DEPLOYMENTS, lambda status: status.get("availableReplicas", 0) == 0)
    await rehearsed.until(DEPLOYMENTS, complete(3, 2))


async def test_min_ready_seconds_count(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=2, minReadySeconds=30)
    await rehearsed.until(DEPLOYMENTS, lambda status: status.get("readyReplicas") == 2)
    began = rehearsed.since_begin()
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))
    assert rehearsed.since_begin() - began >= 28


async def test_a_pod_that_is_deleted_is_replaced(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=2)
    await rehearsed.until(DEPLOYMENTS, complete(2, 1))
    victim = (await rehearsed.pods())[0]["metadata"]["name"]
    await rehearsed.admin.delete(PODS, ("default", victim))
    await rehearsed.pass_time(10)
    names = [pod["metadata"]["name"] for pod in await rehearsed.pods()]
    assert len(names) == 2
    assert victim not in names


async def test_a_restart_goes_on_where_it_was(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=3, annotations={READY_AFTER: "30s"})
    await rehearsed.until(DEPLOYMENTS, lambda status: status.get("updatedReplicas") == 3)
    await rehearsed.restart()
    await rehearsed.until(DEPLOYMENTS, complete(3, 1))
    assert rehearsed.since_begin() < 33


async def test_it_settles(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=3)
    await rehearsed.until(DEPLOYMENTS, complete(3, 1))
    await rehearsed.pass_time(60)
    changes: list[object] = []
    rehearsed.cluster.server.objects.observe(changes.append)
    await rehearsed.pass_time(3600)
    assert changes == []


SIZES = st.builds(lambda wanted, available: (wanted, min(wanted, available)), st.integers(0, 8), st.integers(0, 8))


@settings(max_examples=100)
@given(
    replicas=st.integers(0, 8),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    new=SIZES,
    old=st.lists(SIZES, max_size=3),
)
def test_a_step_keeps_the_bounds_and_the_last_one_is_the_end(replicas, surge, unavailable, new, old) -> None:
    spec = {
        "replicas": replicas,
        "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
    }
    surge, unavailable = bounds(spec)
    now = Size("new", *new)
    others = [Size(str(number), *size) for number, size in enumerate(old)]
    for _ in range(60):
        before = now.wanted + sum(one.wanted for one in others)
        available = now.available + sum(one.available for one in others)
        wanted = sizes(spec, now, others)
        assert sum(wanted.values()) <= max(before, replicas + surge)
        kept = min(now.available, wanted["new"]) + sum(min(one.available, wanted[one.name]) for one in others)
        assert kept >= min(available, replicas - unavailable) or now.wanted > replicas
        now = Size("new", wanted["new"], wanted["new"])  # what is there becomes available
        others = [Size(one.name, wanted[one.name], min(one.available, wanted[one.name])) for one in others]
    assert now.wanted == replicas
    assert all(one.wanted == 0 for one in others)
