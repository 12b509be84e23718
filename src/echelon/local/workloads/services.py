"""Simulated load balancers and disruption budgets: what users and agents read off their status."""

from __future__ import annotations

import hashlib

from echelon.kube.controller import Request
from echelon.local.simulation.drain import allowed_disruptions, desired_healthy, is_healthy
from echelon.local.workloads.conditions import with_condition
from echelon.local.workloads.kinds import (
    BUDGETS,
    PODS,
    SERVICES,
    annotations_of,
    is_going,
    labels_of,
    selector_of,
    status_of,
)
from echelon.local.workloads.rehearsal import FAIL
from echelon.local.workloads.world import World


class LoadBalancers:
    """Gives Services of the type LoadBalancer an address, unless they are told to fail."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> None:
        service = await self._world.get(SERVICES, request.key)
        if service is None or is_going(service):
            return
        wanted = service["spec"].get("type") == "LoadBalancer" and annotations_of(service).get(FAIL, "") in (
            "",
            "false",
        )
        ingress = [{"ip": address_of(service["metadata"]["uid"]), "ipMode": "VIP"}] if wanted else []
        balancer = {"ingress": ingress} if ingress else {}
        if (status_of(service).get("loadBalancer") or {}) != balancer:
            await self._world.report(SERVICES, service, {**status_of(service), "loadBalancer": balancer})


def address_of(uid: str) -> str:
    """An address of the range that documentation uses (RFC 5737); it leads nowhere."""
    return f"203.0.113.{hashlib.sha256(uid.encode()).digest()[0] % 254 + 1}"


class Budgets:
    """Keeps the status of the PodDisruptionBudgets of a namespace, which is what a request names."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def reconcile(self, request: Request) -> None:
        budgets = await self._world.all(BUDGETS, request.namespace)
        pods = await self._world.all(PODS, request.namespace) if budgets else []
        for budget in budgets:
            selector = selector_of(budget)
            covered = [pod for pod in pods if selector.matches(labels_of(pod))]
            allowed = allowed_disruptions(budget["spec"], covered)
            told = ("True", "SufficientPods", "") if allowed else ("False", "InsufficientPods", "")
            conditions = status_of(budget).get("conditions") or ()
            status = {
                "observedGeneration": budget["metadata"].get("generation", 0),
                "expectedPods": len(covered),
                "currentHealthy": sum(is_healthy(pod) for pod in covered),
                "desiredHealthy": desired_healthy(budget["spec"], len(covered)),
                "disruptionsAllowed": allowed,
                "conditions": with_condition(conditions, "DisruptionAllowed", *told, self._world.now()),
            }
            await self._world.report(BUDGETS, budget, status)
