"""Which placements the scheduler looks at again when a member changes.

A source of requests for the scheduler. It asks, of each change of a member, whom it concerns: a
heartbeat nobody, a property only those whose policy compares it and that still want members. So the
scheduler sleeps through what a thousand members report in a minute.

Whether a policy has all its members is read from its snapshot's status, which may be behind: the
scheduler is at work, or its last word has not come back yet. Nothing is missed by that, for its own
word wakes the scheduler once more, which then sees all members.
"""

from __future__ import annotations

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import SCHEDULED, find_condition
from echelon.kube.cache import SharedCache
from echelon.kube.controller import Enqueue, Request
from echelon.kube.informer import Change
from echelon.kube.queue import NORMAL
from echelon.placement.index import Related
from echelon.placement.policy import effective
from echelon.placement.scheduling.concerns import News, concerns, news
from echelon.placement.scope import Placement


class MemberChanges:
    """Requests for the placements of one scope that a change of a member concerns."""

    def __init__(self, related: Related) -> None:
        self._related = related

    def attach(self, cache: SharedCache, enqueue: Enqueue) -> None:
        """Enqueue requests from now on. What is there from the start is seen with the placements themselves."""

        def handle(change: Change[MemberCluster]) -> None:
            if change.initial or (changes := news(change.old, change.new)) is None:
                return
            for placement in self._related.placements():
                if self._concerns(changes, placement):
                    enqueue(Request(*placement.key), NORMAL)

        cache.informer(MemberCluster).add_handler(handle)

    def _concerns(self, changes: News, placement: Placement) -> bool:
        policy, namespaced = effective(placement.spec.policy), bool(placement.metadata.namespace)
        if not concerns(changes, policy, fulfilled=False, namespaced=namespaced):
            return False
        return policy.placement_type == "PickAll" or concerns(
            changes, policy, fulfilled=self._is_fulfilled(placement), namespaced=namespaced
        )

    def _is_fulfilled(self, placement: Placement) -> bool:
        latest = self._related.latest_policy(placement.key)
        condition = None if latest is None else find_condition(latest.status.conditions, SCHEDULED)
        return condition is not None and condition.status == "True"
