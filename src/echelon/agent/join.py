"""Joining, heartbeats and leaving: the agent's side of an InternalMemberCluster.

While the hub wants the member (Join), the agent reports that it has joined, whether the member's API
server is healthy and what the member consists of. It does so once a heartbeat period, each time a
little earlier or later so that a fleet does not report in step, and in between only when there is
news: something that is more than a heartbeat, and more than the comings and goings of pods.

When the hub lets the member go (Leave), the agent stops applying, takes its finalizers off the Works
that are left, and says so; what was applied stays on the member.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import msgspec
import structlog

from echelon.agent.finalizers import release
from echelon.agent.namespaces import Namespaces
from echelon.agent.properties import Properties
from echelon.api.cluster import LEAVE, MEMBER_AGENT, AgentStatus, InternalMemberCluster, InternalMemberClusterStatus
from echelon.api.conditions import (
    HEALTHY,
    INTERNAL_MEMBER_FAILED_TO_JOIN,
    INTERNAL_MEMBER_FAILED_TO_LEAVE,
    INTERNAL_MEMBER_HEALTHY,
    INTERNAL_MEMBER_JOINED,
    INTERNAL_MEMBER_LEFT,
    INTERNAL_MEMBER_UNHEALTHY,
    JOINED,
    set_condition,
)
from echelon.api.meta import Clock, Condition, format_time, parse_time
from echelon.api.work import Work
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import ApiError
from echelon.kube.informer import Informer

JITTER = 0.05
PROBE_TIMEOUT = 10.0

log = structlog.get_logger(__name__)


class JoinReconciler:
    """Reconciles the one InternalMemberCluster of a member."""

    def __init__(
        self,
        hub: Client,
        internal: Informer[InternalMemberCluster],
        works: Informer[Work],
        member: Client,
        properties: Properties,
        clock: Clock,
        rng: Random,
        *,
        works_are_read: Callable[[], bool],
        namespaces: Namespaces | None = None,
    ) -> None:
        """``works_are_read``: whether the agent knows enough of the member to apply Works.

        Without ``namespaces`` nothing is reported of those of the member.
        """
        self._hub = hub
        self._internal = internal
        self._works = works
        self._member = member
        self._properties = properties
        self._clock = clock
        self._rng = rng
        self._works_are_read = works_are_read
        self._namespaces = namespaces
        self._beat: tuple[str, int] | None = None  # the heartbeat that ``_due`` follows, and its period
        self._due: datetime | None = None

    async def reconcile(self, request: Request) -> Result | None:
        internal = self._internal.get(request.key)
        if internal is None:
            return None
        if internal.spec.state == LEAVE:
            await self._leave(internal)
            return None
        await self._properties.start()
        status = await self._status(internal)
        if self._is_due(internal) or _news(internal.status, status):
            internal = await self._hub.patch_status(internal, msgspec.structs.replace(internal, status=status))
            self._plan(internal, self._clock.now())
        assert self._due is not None
        wait = (self._due - self._clock.now()).total_seconds()
        overdue = self._properties.overdue_in()
        return Result(requeue_after=max(0.0, wait if overdue is None else min(wait, overdue)))

    def _is_due(self, internal: InternalMemberCluster) -> bool:
        """Whether it is time for a heartbeat: a period, more or less, after the last one."""
        beat = agent_of(internal.status).last_received_heartbeat
        if beat is None:
            return True
        if self._beat != (beat, internal.spec.heartbeat_period_seconds):
            self._plan(internal, parse_time(beat))
        assert self._due is not None
        return self._clock.now() >= self._due

    def _plan(self, internal: InternalMemberCluster, last: datetime) -> None:
        """The next heartbeat is due a period, more or less, after ``last`` (reports have whole seconds)."""
        beat = agent_of(internal.status).last_received_heartbeat
        period = internal.spec.heartbeat_period_seconds
        self._beat = None if beat is None else (beat, period)
        self._due = last + timedelta(seconds=period * (1 + self._rng.uniform(-JITTER, JITTER)))

    async def _status(self, internal: InternalMemberCluster) -> InternalMemberClusterStatus:
        generation, now = internal.metadata.generation, self._clock.now()
        status, healthy = await asyncio.gather(
            self._properties.report(internal.status, generation), self._health(generation)
        )
        if self._namespaces is not None:
            status = self._namespaces.report(status, generation)
        conditions = agent_of(internal.status).conditions
        for condition in (self._joined(generation), healthy):
            conditions = set_condition(conditions, condition, now)
        agent = AgentStatus(type=MEMBER_AGENT, conditions=conditions, last_received_heartbeat=format_time(now))
        return with_agent(status, agent)

    def _joined(self, generation: int) -> Condition:
        if self._works_are_read():
            return Condition(
                JOINED, "True", INTERNAL_MEMBER_JOINED, "The agent has joined", observed_generation=generation
            )
        message = "The agent cannot read yet what was applied on the member"
        return Condition(JOINED, "Unknown", INTERNAL_MEMBER_FAILED_TO_JOIN, message, observed_generation=generation)

    async def _health(self, generation: int) -> Condition:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._member.get_raw("/readyz")
        except (ApiError, TimeoutError) as error:
            why = str(error) or f"no answer within {PROBE_TIMEOUT:g} s"
            message = f"The member's API server is not ready: {why}"
            return Condition(HEALTHY, "False", INTERNAL_MEMBER_UNHEALTHY, message, observed_generation=generation)
        message = "The member's API server is ready"
        return Condition(HEALTHY, "True", INTERNAL_MEMBER_HEALTHY, message, observed_generation=generation)

    async def _leave(self, internal: InternalMemberCluster) -> None:
        """Let all Works go, then say so.

        Raises:
            ApiError: a Work could not be let go; the hub was told.
        """
        try:
            await asyncio.gather(*(release(self._hub, work) for work in self._works.list()))
        except ApiError as error:
            message = f"The agent could not let its Works go: {error}"
            await self._report_leaving(internal, "Unknown", INTERNAL_MEMBER_FAILED_TO_LEAVE, message)
            raise
        await self._report_leaving(internal, "False", INTERNAL_MEMBER_LEFT, "The agent has left")
        log.info("left the fleet", member=internal.metadata.name)

    async def _report_leaving(self, internal: InternalMemberCluster, status: str, reason: str, message: str) -> None:
        agent = agent_of(internal.status)
        left = msgspec.convert({"type": JOINED, "status": status, "reason": reason, "message": message}, Condition)
        left = msgspec.structs.replace(left, observed_generation=internal.metadata.generation)
        conditions = set_condition(agent.conditions, left, self._clock.now())
        reported = with_agent(internal.status, msgspec.structs.replace(agent, conditions=conditions))
        await self._hub.patch_status(internal, msgspec.structs.replace(internal, status=reported))


def agent_of(status: InternalMemberClusterStatus) -> AgentStatus:
    """What this agent has said."""
    return next((a for a in status.agent_status if a.type == MEMBER_AGENT), AgentStatus(type=MEMBER_AGENT))


def with_agent(status: InternalMemberClusterStatus, agent: AgentStatus) -> InternalMemberClusterStatus:
    """The status with what this agent says; other agents of the member speak for themselves."""
    others = tuple(each for each in status.agent_status if each.type != MEMBER_AGENT)
    return msgspec.structs.replace(status, agent_status=(agent, *others))


def _news(before: InternalMemberClusterStatus, after: InternalMemberClusterStatus) -> bool:
    """Whether a report says anything that cannot wait for the next heartbeat."""
    return _essence(before) != _essence(after)


def _essence(status: InternalMemberClusterStatus) -> object:
    conditions = (*agent_of(status).conditions, *status.conditions)
    usage = status.resource_usage
    return (
        sorted((each.type, each.status, each.reason, each.observed_generation) for each in conditions),
        {name: item.value for name, item in status.properties.items()},
        None if usage is None else (usage.capacity, usage.allocatable),
        status.namespaces,
    )
