"""Which members a placement goes to, and why not to the others.

Pure: ``schedule`` looks at a policy, the members as they are now and the members chosen before, and
gives a decision for each. A member has to get past filters, a module each: ``affinity``,
``eligibility``, ``taints``, ``topology``. PickAll takes all that do, PickN the best of them by
``ranking``, PickFixed those named that are eligible.

What was chosen under a policy stays chosen as long as the member belongs to the fleet, whatever
becomes of its labels, properties, taints or health, and keeps the decision that was made on it then:
only a smaller number takes members away, those that no rollout has reached first, then those with
the lowest scores. When another policy takes over, the members chosen before are judged like all
others, but for taints and health, and come first among equals.

``schedule`` applied to its own result chooses the same members, with the same decisions on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from echelon.api.cluster import MemberCluster
from echelon.api.policy import PlacementPolicy
from echelon.api.snapshot import ClusterDecision
from echelon.placement.scheduling import decisions
from echelon.placement.scheduling.affinity import affinity_score, required_terms, why_unmatched
from echelon.placement.scheduling.eligibility import why_homeless, why_ineligible
from echelon.placement.scheduling.ranking import Candidate, Ranking
from echelon.placement.scheduling.taints import why_untolerated
from echelon.placement.scheduling.topology import Spread


class Chosen(msgspec.Struct, frozen=True):
    """A member that was chosen before.

    ``decision`` is what was decided then, ``current`` whether under the policy as it is now, and
    ``bound`` whether a rollout has reached the member since.
    """

    decision: ClusterDecision
    current: bool
    bound: bool


class Schedule(msgspec.Struct, frozen=True):
    """The outcome for one policy: the members chosen by name, and of the others those first that fit best.

    ``fulfilled`` is whether as many were chosen as the policy asks for.
    """

    selected: Sequence[ClusterDecision]
    unselected: Sequence[ClusterDecision]
    fulfilled: bool


def schedule(
    policy: PlacementPolicy,
    members: Iterable[MemberCluster],
    chosen: Mapping[str, Chosen],
    now: datetime,
    *,
    namespace: str = "",
) -> Schedule:
    """Decide on every member.

    Args:
        policy: what holds.
        members: every MemberCluster of the fleet.
        chosen: the members chosen before, by name.
        now: to judge how long a member has been silent.
        namespace: of a namespaced placement, which members must have.
    """
    cycle = _Cycle(policy, {member.metadata.name: member for member in members}, chosen, now, namespace)
    match policy.placement_type:
        case "PickFixed":
            return cycle.pick_fixed()
        case "PickN":
            return cycle.pick_number(policy.number_of_clusters or 0)
        case "PickAll":
            return cycle.pick_all()


class _Cycle:
    """What one call of ``schedule`` looks at."""

    def __init__(
        self,
        policy: PlacementPolicy,
        fleet: Mapping[str, MemberCluster],
        chosen: Mapping[str, Chosen],
        now: datetime,
        namespace: str,
    ) -> None:
        self._policy = policy
        self._fleet = fleet
        self._chosen = chosen
        self._now = now
        self._namespace = namespace
        self._kept = {
            name: before
            for name, before in chosen.items()
            if before.current and name in fleet and fleet[name].metadata.deletion_timestamp is None
        }

    def pick_all(self) -> Schedule:
        fits, refused = self._filter()
        selected = [before.decision for before in self._kept.values()]
        selected += [decisions.picked(name, decisions.UNSCORED) for name in fits]
        return _outcome(selected, refused, fulfilled=True)

    def pick_fixed(self) -> Schedule:
        selected, refused = [], []
        for name in sorted(set(self._policy.cluster_names)):
            member = self._fleet.get(name)
            if member is None:
                refused.append(decisions.not_found(name))
                continue
            obstacle = why_ineligible(member, self._now, held=name in self._chosen)
            if obstacle is None:
                selected.append(decisions.picked(name, None))
            else:
                refused.append(decisions.not_eligible(name, obstacle))
        return _outcome(selected, refused, fulfilled=not refused)

    def pick_number(self, wanted: int) -> Schedule:
        for name in self._surplus(len(self._kept) - wanted):
            del self._kept[name]
        fits, refused = self._filter()
        ranking = self._ranking(fits)
        selected = [before.decision for before in self._kept.values()]
        while len(selected) < wanted and (choice := ranking.choose()) is not None:
            score = decisions.score_of(choice.candidate.affinity, choice.verdict.score)
            selected.append(decisions.picked(choice.candidate.name, score))
        outscored = []
        for choice in ranking.rest():
            name, verdict = choice.candidate.name, choice.verdict
            if verdict.violation is None:
                score = decisions.score_of(choice.candidate.affinity, verdict.score)
                outscored.append(decisions.outscored(name, score))
            else:
                refused.append(decisions.unschedulable(name, verdict.violation))
        refused.sort(key=_by_name)
        return _outcome(selected, [*outscored, *refused], fulfilled=len(selected) >= wanted)

    def _surplus(self, count: int) -> Sequence[str]:
        """The members to give up when fewer are wanted: those no rollout has reached first, then the lowest scores."""

        def merit(name: str) -> tuple[bool, tuple[int, int], str]:
            before = self._kept[name]
            score = before.decision.cluster_score or decisions.UNSCORED
            return before.bound, (score.priority_score or 0, score.affinity_score or 0), name

        return sorted(self._kept, key=merit)[: max(0, count)]

    def _filter(self) -> tuple[list[str], list[ClusterDecision]]:
        """The members, beside those kept, that get past the filters, by name, and the decisions on the others."""
        terms = required_terms(self._policy)
        fits, refused = [], []
        for name in sorted(self._fleet.keys() - self._kept.keys()):
            member, held = self._fleet[name], name in self._chosen
            obstacle = (
                why_unmatched(member, terms)
                or why_ineligible(member, self._now, held=held)
                or why_homeless(member, self._namespace)
                or (None if held else why_untolerated(member, self._policy.tolerations))
            )
            if obstacle is None:
                fits.append(name)
            else:
                refused.append(decisions.unschedulable(name, obstacle))
        return fits, refused

    def _ranking(self, fits: Sequence[str]) -> Ranking:
        staying = [member for member in self._fleet.values() if member.metadata.deletion_timestamp is None]
        spread = Spread(
            self._policy.topology_spread_constraints,
            [member.metadata.labels for member in staying],
            [self._fleet[name].metadata.labels for name in self._kept],
        )
        affinity = affinity_score(self._policy, staying)
        candidates = []
        for name in fits:
            member = self._fleet[name]
            place = spread.place(member.metadata.labels)
            candidates.append(Candidate(name, place, affinity(member), self._is_obsolete(name)))
        return Ranking(candidates, spread)

    def _is_obsolete(self, name: str) -> bool:
        before = self._chosen.get(name)
        return before is not None and not before.current


def _outcome(selected: list[ClusterDecision], unselected: Sequence[ClusterDecision], *, fulfilled: bool) -> Schedule:
    return Schedule(sorted(selected, key=_by_name), unselected, fulfilled)


def _by_name(decision: ClusterDecision) -> str:
    return decision.cluster_name
