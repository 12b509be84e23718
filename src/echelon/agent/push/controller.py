"""The controller of pushed members: each has an agent in the hub while its kubeconfig is one that can be used.

Where it is not, the hub says in the place of the agent what is wrong, and lets the member leave, since
nobody could ask it: what was placed there stays.
"""

from __future__ import annotations

import msgspec

from echelon.agent.join import agent_of, with_agent
from echelon.agent.push.agents import PushedAgents
from echelon.agent.push.kubeconfigs import BadKubeconfig, Secret, access_of
from echelon.api import names
from echelon.api.cluster import LEAVE, InternalMemberCluster, MemberCluster
from echelon.api.conditions import (
    HEALTHY,
    INTERNAL_MEMBER_FAILED_TO_JOIN,
    INTERNAL_MEMBER_LEFT,
    INTERNAL_MEMBER_UNHEALTHY,
    JOINED,
    set_condition,
)
from echelon.api.meta import Clock, Condition
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.informer import Informer


class PushReconciler:
    """Reconciles MemberClusters."""

    def __init__(
        self, client: Client, cache: SharedCache, secrets: Informer[Secret], agents: PushedAgents, clock: Clock
    ) -> None:
        self._client = client
        self._cache = cache
        self._secrets = secrets
        self._agents = agents
        self._clock = clock

    async def reconcile(self, request: Request) -> Result | None:
        name, namespace = request.name, names.member_namespace(request.name)
        member = self._cache.get(MemberCluster, request.key)
        internal = self._cache.get(InternalMemberCluster, (namespace, name))
        if member is None or internal is None or member.metadata.annotations.get(names.CONNECTION) != names.PUSH:
            await self._agents.stop(name)
            return None
        try:
            access = access_of(self._secrets.get((namespace, names.MEMBER_KUBECONFIG)), namespace)
        except BadKubeconfig as problem:
            await self._agents.stop(name)
            await self._report(internal, f"The hub cannot get into the member: {problem}")
            return None
        await self._agents.keep(name, access)
        return None

    async def _report(self, internal: InternalMemberCluster, problem: str) -> None:
        """Say in the place of the agent why there is none, or that it has left."""
        generation = internal.metadata.generation
        joined = Condition(JOINED, "Unknown", INTERNAL_MEMBER_FAILED_TO_JOIN, problem, observed_generation=generation)
        if internal.spec.state == LEAVE:
            joined = Condition(JOINED, "False", INTERNAL_MEMBER_LEFT, problem, observed_generation=generation)
        healthy = Condition(HEALTHY, "False", INTERNAL_MEMBER_UNHEALTHY, problem, observed_generation=generation)
        agent, now = agent_of(internal.status), self._clock.now()
        conditions = set_condition(set_condition(agent.conditions, joined, now), healthy, now)
        status = with_agent(internal.status, msgspec.structs.replace(agent, conditions=conditions))
        await self._client.patch_status(internal, msgspec.structs.replace(internal, status=status))
