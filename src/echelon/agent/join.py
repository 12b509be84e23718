"""Joining, heartbeats and leaving: the agent's side of an InternalMemberCluster.

While the hub wants the member (Join), the agent reports that it has joined, whether the member's API
server is healthy and what the member consists of, once a heartbeat period and never twice in it
unless something changed. When the hub lets the member go (Leave), the agent stops applying, takes its
finalizers off the Works that are left, and says so; what was applied stays on the member.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import msgspec
import structlog

from echelon.agent.properties import Properties
from echelon.api import names
from echelon.api.cluster import LEAVE, MEMBER_AGENT, AgentStatus, InternalMemberCluster, InternalMemberClusterStatus
from echelon.api.conditions import (
    HEALTHY,
    INTERNAL_MEMBER_HEALTHY,
    INTERNAL_MEMBER_JOINED,
    INTERNAL_MEMBER_LEFT,
    INTERNAL_MEMBER_UNHEALTHY,
    JOINED,
    set_condition,
)
from echelon.api.meta import Clock, Condition, ConditionStatus, format_time, parse_time
from echelon.api.work import Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import ApiError

_JITTER = 0.05

log = structlog.get_logger(__name__)


class Membership:
    """Whether the member belongs to the fleet, as far as the agent knows."""

    def __init__(self, on_join: Callable[[], None]) -> None:
        self.joined = False
        self._on_join = on_join

    def join(self) -> None:
        if not self.joined:
            self.joined = True
            self._on_join()

    def leave(self) -> None:
        self.joined = False


class JoinReconciler:
    """Reconciles the one InternalMemberCluster of a member."""

    def __init__(
        self,
        hub: Client,
        hub_cache: SharedCache,
        member: Client,
        properties: Properties,
        membership: Membership,
        clock: Clock,
        rng: Random,
        *,
        namespace: str,
    ) -> None:
        self._hub = hub
        self._internal = hub_cache.informer(InternalMemberCluster, namespace=namespace)
        self._works = hub_cache.informer(Work, namespace=namespace)
        self._member = member
        self._properties = properties
        self._membership = membership
        self._clock = clock
        self._rng = rng

    async def reconcile(self, request: Request) -> Result | None:
        internal = self._internal.get(request.key)
        if internal is None:
            self._membership.leave()
            return None
        if internal.spec.state == LEAVE:
            await self._leave(internal)
            return None
        self._membership.join()
        period = timedelta(seconds=internal.spec.heartbeat_period_seconds)
        due = _last_heartbeat_due(internal, period)
        now = self._clock.now()
        status = await self._status(internal)
        if due is None or now >= due or _news(internal.status, status):
            await self._hub.patch_status(internal, msgspec.structs.replace(internal, status=status))
            due = now + period
        delay = (due - now).total_seconds() * (1 + self._rng.uniform(-_JITTER, _JITTER))
        return Result(requeue_after=max(0.0, delay))

    async def _status(self, internal: InternalMemberCluster) -> InternalMemberClusterStatus:
        now = self._clock.now()
        generation = internal.metadata.generation
        agent = _agent_of(internal.status)
        conditions = set_condition(
            agent.conditions,
            Condition(JOINED, "True", INTERNAL_MEMBER_JOINED, "The agent has joined", observed_generation=generation),
            now,
        )
        health, reason, message = await self._health()
        conditions = set_condition(
            conditions, Condition(HEALTHY, health, reason, message, observed_generation=generation), now
        )
        return msgspec.structs.replace(
            internal.status,
            properties=self._properties.values(internal.status.properties),
            resource_usage=self._properties.usage(internal.status.resource_usage),
            agent_status=(
                AgentStatus(type=MEMBER_AGENT, conditions=conditions, last_received_heartbeat=format_time(now)),
            ),
        )

    async def _health(self) -> tuple[ConditionStatus, str, str]:
        try:
            await self._member.get_raw("/readyz")
        except ApiError as error:
            return "False", INTERNAL_MEMBER_UNHEALTHY, f"The member's API server is not ready: {error}"
        return "True", INTERNAL_MEMBER_HEALTHY, "The member's API server is ready"

    async def _leave(self, internal: InternalMemberCluster) -> None:
        self._membership.leave()
        for work in self._works.list():
            if names.WORK_CLEANUP in work.metadata.finalizers:
                finalizers = tuple(f for f in work.metadata.finalizers if f != names.WORK_CLEANUP)
                metadata = msgspec.structs.replace(work.metadata, finalizers=finalizers)
                await self._hub.patch_object(work, msgspec.structs.replace(work, metadata=metadata))
        agent = _agent_of(internal.status)
        left = Condition(
            JOINED,
            "False",
            INTERNAL_MEMBER_LEFT,
            "The agent has left",
            observed_generation=internal.metadata.generation,
        )
        conditions = set_condition(agent.conditions, left, self._clock.now())
        status = msgspec.structs.replace(
            internal.status, agent_status=(msgspec.structs.replace(agent, conditions=conditions),)
        )
        await self._hub.patch_status(internal, msgspec.structs.replace(internal, status=status))
        log.info("left the fleet", member=internal.metadata.name)


def _agent_of(status: InternalMemberClusterStatus) -> AgentStatus:
    return next((a for a in status.agent_status if a.type == MEMBER_AGENT), AgentStatus(type=MEMBER_AGENT))


def _last_heartbeat_due(internal: InternalMemberCluster, period: timedelta) -> datetime | None:
    heartbeat = _agent_of(internal.status).last_received_heartbeat
    return None if heartbeat is None else parse_time(heartbeat) + period


def _news(before: InternalMemberClusterStatus, after: InternalMemberClusterStatus) -> bool:
    """Whether a report says anything that the last one did not, times aside."""

    def essence(status: InternalMemberClusterStatus) -> object:
        agent = _agent_of(status)
        states = [(c.type, c.status, c.reason) for c in agent.conditions]
        usage = status.resource_usage
        return (
            states,
            {name: item.value for name, item in status.properties.items()},
            None if usage is None else (usage.capacity, usage.allocatable, usage.available),
        )

    return essence(before) != essence(after)
