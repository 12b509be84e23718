"""Topology spread: chosen members evenly over the values of a label.

A *domain* is a value of a constraint's label that some member of the fleet has; members without the
label are no part of the spread. The skew of a constraint is how far its fullest domain is ahead of
its emptiest. Choosing one more member changes the skew by one at most; a change for the better
scores 1, one for the worse -1. Where the skew would then be beyond the constraint's limit, a hard
constraint (DoNotSchedule) rules the member out, a soft one (ScheduleAnyway) scores -1000.

How a choice is judged depends only on how full the member's domains are: its ``Place`` has a
*level*, and places of the same level are judged alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from echelon.api.policy import TopologySpreadConstraint

Labels = Mapping[str, str]
Place = tuple[str | None, ...]  # the domain of a member by constraint; None where it has none
Level = tuple[int | None, ...]  # how many are chosen in each of these domains

VIOLATION = -1000


class Verdict(msgspec.Struct, frozen=True):
    """What choosing a member would mean: its score, or why it is ruled out."""

    score: int
    violation: str | None = None


class _Domains:
    """How many members are chosen in each domain of one constraint."""

    def __init__(self, constraint: TopologySpreadConstraint, fleet: Iterable[Labels]) -> None:
        self.constraint = constraint
        self.hard = constraint.when_unsatisfiable == "DoNotSchedule"
        found = {labels[constraint.topology_key] for labels in fleet if constraint.topology_key in labels}
        self.chosen = dict.fromkeys(found, 0)
        self._domains_with = Counter(self.chosen.values())
        self._least = self._most = 0

    def add(self, domain: str) -> None:
        before = self.chosen[domain]
        self.chosen[domain] = before + 1
        self._domains_with[before] -= 1
        self._domains_with[before + 1] += 1
        self._most = max(self._most, before + 1)
        if before == self._least and not self._domains_with[before]:
            self._least += 1

    def judge(self, chosen: int) -> tuple[int, bool]:
        """By how much the skew changes with one more in a domain that has so many, and whether it is then too large."""
        change = self._change(chosen)
        return change, self._most - self._least + change > self.constraint.max_skew

    def _change(self, chosen: int) -> int:
        if self._most == self._least:
            return 1
        if chosen == self._least and self._domains_with[chosen] == 1:
            return -1
        return 1 if chosen == self._most else 0


class Spread:
    """The spread of what is chosen so far, for all constraints of a policy."""

    def __init__(
        self, constraints: Sequence[TopologySpreadConstraint], fleet: Sequence[Labels], chosen: Iterable[Labels]
    ) -> None:
        """``fleet``: the labels of all members; ``chosen``: of those that are chosen already."""
        ordered = sorted(constraints, key=lambda constraint: constraint.when_unsatisfiable != "DoNotSchedule")
        self._constraints = [_Domains(constraint, fleet) for constraint in ordered]
        for labels in chosen:
            self.add(self.place(labels))

    @property
    def sizes(self) -> Sequence[int]:
        """How many domains each constraint has."""
        return [len(domains.chosen) for domains in self._constraints]

    def place(self, labels: Labels) -> Place:
        """The domains of a member."""
        return tuple(labels.get(domains.constraint.topology_key) for domains in self._constraints)

    def level(self, place: Place) -> Level:
        """How many are chosen in each domain of a place."""
        return tuple(
            None if domain is None else domains.chosen[domain]
            for domains, domain in zip(self._constraints, place, strict=True)
        )

    def add(self, place: Place) -> None:
        """Count a member of this place as chosen."""
        for domains, domain in zip(self._constraints, place, strict=True):
            if domain is not None:
                domains.add(domain)

    def judge(self, level: Level) -> Verdict:
        """What choosing a member of a place of this level would mean."""
        score = 0
        for domains, chosen in zip(self._constraints, level, strict=True):
            if chosen is None:
                continue
            change, violated = domains.judge(chosen)
            if violated and domains.hard:
                return Verdict(0, _violation(domains.constraint))
            score += VIOLATION if violated else -change
        return Verdict(score)


def _violation(constraint: TopologySpreadConstraint) -> str:
    return (
        f'violated doNotSchedule topology spread constraint "{constraint.topology_key}" '
        f"(max skew {constraint.max_skew})"
    )
