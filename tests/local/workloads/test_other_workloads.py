"""StatefulSets, DaemonSets, Jobs, pods of their own, load balancers and disruption budgets."""

from __future__ import annotations

import asyncio

import pytest

from echelon.agent.availability import Availability, availability_of
from echelon.api.meta import Resource
from echelon.apiserver import User
from echelon.kube.errors import Forbidden
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch
from echelon.local.rights import WORKLOADS_USER
from echelon.local.workloads.kinds import (
    BUDGETS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NODES,
    PODS,
    REVISIONS,
    SERVICES,
    STATEFUL_SETS,
)
from echelon.local.workloads.rehearsal import FAIL, READY_AFTER

from .cluster import Rehearsed, condition

SECRETS = Unstructured(Resource("", "v1", "secrets", "Secret", namespaced=True))


async def test_a_stateful_set_starts_in_order(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(STATEFUL_SETS, replicas=3, serviceName="web", annotations={READY_AFTER: "10s"})
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("readyReplicas") == 1)
    assert [pod["metadata"]["name"] for pod in await rehearsed.pods()] == ["web-0", "web-1"]
    found = await rehearsed.until(STATEFUL_SETS, lambda status: status.get("availableReplicas") == 3)
    assert rehearsed.since_begin() >= 28
    assert availability_of("apps", "StatefulSet", found) is Availability.AVAILABLE


async def test_a_parallel_stateful_set_starts_at_once(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(STATEFUL_SETS, replicas=3, serviceName="web", podManagementPolicy="Parallel")
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("readyReplicas") == 3)
    assert rehearsed.since_begin() < 3


async def test_a_stateful_set_is_updated_from_the_end(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(STATEFUL_SETS, replicas=3, serviceName="web")
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("availableReplicas") == 3)
    await rehearsed.set_image(STATEFUL_SETS, "app:2")
    halfway = await rehearsed.until(STATEFUL_SETS, lambda status: status.get("updatedReplicas") == 1)
    assert halfway["status"]["currentRevision"] != halfway["status"]["updateRevision"]
    images = [pod["spec"]["containers"][0]["image"] for pod in await rehearsed.pods()]
    assert images[:2] == ["app:1", "app:1"]
    done = await rehearsed.until(
        STATEFUL_SETS,
        lambda status: (
            status.get("availableReplicas") == 3
            and status["currentRevision"] == status["updateRevision"]
            and status["observedGeneration"] == 2
        ),
    )
    assert availability_of("apps", "StatefulSet", done) is Availability.AVAILABLE
    assert [found["revision"] for found in await rehearsed.all(REVISIONS)] in ([1, 2], [2, 1])


async def test_a_bad_version_of_a_stateful_set_stops_at_its_last_pod_and_is_healed_by_going_back(
    rehearsed: Rehearsed,
) -> None:
    await rehearsed.workload(STATEFUL_SETS, replicas=3, serviceName="web")
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("availableReplicas") == 3)
    await rehearsed.set_image(STATEFUL_SETS, "registry.invalid/app:2")
    await rehearsed.pass_time(120)
    bad = await rehearsed.get(STATEFUL_SETS)
    assert (bad["status"]["updatedReplicas"], bad["status"]["availableReplicas"]) == (1, 2)
    assert availability_of("apps", "StatefulSet", bad) is Availability.NOT_YET
    await rehearsed.set_image(STATEFUL_SETS, "app:1")
    await rehearsed.until(STATEFUL_SETS, lambda s: s["availableReplicas"] == s.get("updatedReplicas") == 3)


async def test_a_stateful_set_shrinks_from_the_end(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(STATEFUL_SETS, replicas=3, serviceName="web")
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("availableReplicas") == 3)
    await rehearsed.edit(STATEFUL_SETS, "web", {"spec": {"replicas": 1}})
    await rehearsed.until(STATEFUL_SETS, lambda status: status.get("replicas") == 1)
    await rehearsed.pass_time(1)
    assert [pod["metadata"]["name"] for pod in await rehearsed.pods()] == ["web-0"]


async def test_a_daemon_set_has_a_pod_on_each_node_that_is_its(rehearsed: Rehearsed) -> None:
    await rehearsed.node("n3", taints=[{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}])
    await rehearsed.workload(DAEMON_SETS)
    found = await rehearsed.until(DAEMON_SETS, lambda status: status.get("numberAvailable") == 2)
    assert found["status"]["desiredNumberScheduled"] == 2
    assert availability_of("apps", "DaemonSet", found) is Availability.AVAILABLE
    assert [pod["spec"]["nodeName"] for pod in await rehearsed.pods()] != []
    await rehearsed.node("n4")
    await rehearsed.until(DAEMON_SETS, lambda status: status.get("numberAvailable") == 3)
    await rehearsed.admin.delete(NODES, "n4")
    await rehearsed.until(DAEMON_SETS, lambda status: status.get("desiredNumberScheduled") == 2)
    await rehearsed.pass_time(5)
    assert sorted(pod["spec"]["nodeName"] for pod in await rehearsed.pods()) == ["n1", "n2"]


async def test_a_daemon_set_is_updated_one_by_one(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DAEMON_SETS)
    await rehearsed.until(DAEMON_SETS, lambda status: status.get("numberAvailable") == 2)
    await rehearsed.set_image(DAEMON_SETS, "registry.invalid/app:2")
    await rehearsed.pass_time(120)
    bad = (await rehearsed.get(DAEMON_SETS))["status"]
    assert (bad["updatedNumberScheduled"], bad["numberAvailable"], bad["numberUnavailable"]) == (1, 1, 1)
    await rehearsed.set_image(DAEMON_SETS, "app:3")
    await rehearsed.until(DAEMON_SETS, lambda s: s.get("updatedNumberScheduled") == s.get("numberAvailable") == 2)


async def test_a_job_gets_done(rehearsed: Rehearsed) -> None:
    began = rehearsed.since_begin()
    await rehearsed.workload(
        JOBS, completions=3, parallelism=2, annotations={READY_AFTER: "10s"}, pod={"restartPolicy": "Never"}
    )
    busy = await rehearsed.until(JOBS, lambda status: status.get("active") == 2)
    assert "completionTime" not in busy["status"]
    done = await rehearsed.until(JOBS, lambda status: condition(status, "Complete"))
    assert 20 <= rehearsed.since_begin() - began < 24
    assert done["status"]["succeeded"] == 3
    assert done["status"]["completionTime"]
    assert [pod["status"]["phase"] for pod in await rehearsed.pods()] == ["Succeeded"] * 3


async def test_a_job_that_is_told_to_fail_does_so_for_good(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(
        JOBS, metadata={"annotations": {FAIL: "true"}}, backoffLimit=2, pod={"restartPolicy": "Never"}
    )
    found = await rehearsed.until(JOBS, lambda status: condition(status, "Failed"))
    assert condition(found["status"], "Failed") == ("True", "BackoffLimitExceeded")
    assert found["status"]["failed"] == 3


async def test_a_job_over_its_deadline_fails(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(
        JOBS, activeDeadlineSeconds=20, annotations={READY_AFTER: "60s"}, pod={"restartPolicy": "Never"}
    )
    found = await rehearsed.until(JOBS, lambda status: condition(status, "Failed"))
    assert condition(found["status"], "Failed") == ("True", "DeadlineExceeded")


async def test_a_job_that_is_done_goes_when_its_time_is_over(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(JOBS, ttlSecondsAfterFinished=30, pod={"restartPolicy": "Never"})
    await rehearsed.until(JOBS, lambda status: condition(status, "Complete"))
    await rehearsed.pass_time(40)
    assert await rehearsed.all(JOBS) == []
    assert await rehearsed.pods() == []


async def test_a_job_that_is_suspended_waits(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(JOBS, suspend=True, pod={"restartPolicy": "Never"})
    await rehearsed.until(JOBS, lambda status: condition(status, "Suspended") == ("True", "JobSuspended"))
    assert await rehearsed.pods() == []
    await rehearsed.edit(JOBS, "web", {"spec": {"suspend": False}})
    await rehearsed.until(JOBS, lambda status: condition(status, "Complete"))


async def test_a_pod_of_a_users_own_runs(rehearsed: Rehearsed) -> None:
    await rehearsed.create(PODS, "web", spec={"containers": [{"name": "c", "image": "app:1"}]})
    found = await rehearsed.until(PODS, lambda status: condition(status, "Ready") == ("True", ""))
    assert found["spec"]["nodeName"] == "n1"


async def test_pods_wait_for_a_node_that_is_open(rehearsed: Rehearsed) -> None:
    for name in ("n1", "n2"):
        await rehearsed.admin.patch(NODES, name, MergePatch({"spec": {"unschedulable": True}}))
    await rehearsed.workload(DEPLOYMENTS, replicas=1)
    await rehearsed.pass_time(30)
    (pod,) = await rehearsed.pods()
    assert condition(pod["status"], "PodScheduled") == ("False", "Unschedulable")
    await rehearsed.admin.patch(NODES, "n2", MergePatch({"spec": {"unschedulable": False}}))
    await rehearsed.until(DEPLOYMENTS, lambda status: status.get("availableReplicas") == 1)


async def test_a_load_balancer_gets_an_address_unless_told_to_fail(rehearsed: Rehearsed) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}}
    await rehearsed.create(SERVICES, "web", spec=spec)
    found = await rehearsed.until(SERVICES, lambda status: (status.get("loadBalancer") or {}).get("ingress"))
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"].startswith("203.0.113.")
    assert availability_of("", "Service", found) is Availability.AVAILABLE
    await rehearsed.edit(SERVICES, "web", {"metadata": {"annotations": {FAIL: "true"}}})
    await rehearsed.until(SERVICES, lambda status: not (status.get("loadBalancer") or {}).get("ingress"))


async def test_a_disruption_budget_counts(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=3)
    await rehearsed.create(BUDGETS, "web", spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}})
    found = await rehearsed.until(BUDGETS, lambda status: status.get("currentHealthy") == 3)
    assert (found["status"]["desiredHealthy"], found["status"]["disruptionsAllowed"]) == (2, 1)
    assert availability_of("policy", "PodDisruptionBudget", found) is Availability.AVAILABLE


async def test_without_workloads_nothing_is_started(rehearsed: Rehearsed) -> None:
    await rehearsed.admin.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
    )
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith(("workloads of", "simulated-"))]


async def test_the_simulation_may_do_no_more_than_it_does(rehearsed: Rehearsed) -> None:
    await rehearsed.workload(DEPLOYMENTS, replicas=1)
    await rehearsed.until(DEPLOYMENTS, lambda status: status.get("availableReplicas") == 1)
    client = rehearsed.cluster.client(User(WORKLOADS_USER))
    for attempt in (
        client.list(SECRETS, namespace="default"),
        client.delete(DEPLOYMENTS, ("default", "web")),
        client.delete(NODES, "n1"),
        client.patch(STATEFUL_SETS, ("default", "web"), MergePatch({"spec": {"replicas": 2}})),
    ):
        with pytest.raises(Forbidden):
            await attempt
