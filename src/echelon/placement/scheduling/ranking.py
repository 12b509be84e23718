"""The best members for so many places, one after the other.

Members are compared by how choosing them changes the spread, then by affinity, then by whether they
have the placement already under an older policy (moving it costs something), then by name, the later
one first. Each choice changes the spread, so the next is judged anew; but members whose domains are
equally full are judged alike, and only the best of each such class is looked at.

A choice fills domains, and so moves the other members of these domains to other classes. Not for the
constraint with the fewest domains, as long as these are few: there a class is a domain, however full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from echelon.placement.scheduling.topology import Level, Place, Spread, Verdict

_FEW_DOMAINS = 32

Class = tuple[int | str | None, ...]


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A member that fits. ``held``: it was chosen under an older policy."""

    name: str
    place: Place
    affinity: int
    held: bool


class Choice(msgspec.Struct, frozen=True):
    """A member with the verdict on choosing it."""

    candidate: Candidate
    verdict: Verdict


class Ranking:
    """The candidates that are left, under a spread that it keeps up to date."""

    def __init__(self, candidates: Sequence[Candidate], spread: Spread) -> None:
        self._spread = spread
        self._order = sorted(candidates, key=_merit, reverse=True)
        self._queues: dict[Place, list[int]] = defaultdict(list)  # positions in the order, best last
        for position in reversed(range(len(self._order))):
            self._queues[self._order[position].place].append(position)
        sizes = spread.sizes
        self._coarsest = sizes.index(min(sizes)) if sizes and min(sizes) <= _FEW_DOMAINS else None
        self._neighbours: dict[tuple[int, str], list[Place]] = defaultdict(list)
        self._classes: dict[Class, list[tuple[int, Place]]] = defaultdict(list)  # heaps; outdated entries are skipped
        for place in self._queues:
            for domain in self._fine_domains(place):
                self._neighbours[domain].append(place)
            self._offer(place)

    def choose(self) -> Choice | None:
        """Take the best candidate, or None when none fits any more."""
        best: tuple[int, int] | None = None
        chosen: tuple[Place, Verdict] | None = None
        for class_ in list(self._classes):
            top = self._top(class_)
            if top is None:
                del self._classes[class_]
                continue
            position, place = top
            verdict = self._spread.judge(self._spread.level(place))
            merit = (verdict.score, -position)
            if verdict.violation is None and (best is None or merit > best):
                best, chosen = merit, (place, verdict)
        return None if chosen is None else self._take(*chosen)

    def rest(self) -> Iterator[Choice]:
        """The candidates that were not taken, best first, each as it is judged now."""
        left = sorted(position for queue in self._queues.values() for position in queue)
        verdicts: dict[Level, Verdict] = {}
        choices = []
        for position in left:
            candidate = self._order[position]
            level = self._spread.level(candidate.place)
            if level not in verdicts:
                verdicts[level] = self._spread.judge(level)
            choices.append(Choice(candidate, verdicts[level]))
        yield from sorted(choices, key=lambda choice: -choice.verdict.score)

    def _take(self, place: Place, verdict: Verdict) -> Choice:
        candidate = self._order[self._queues[place].pop()]
        self._spread.add(place)
        moved = {neighbour for domain in self._fine_domains(place) for neighbour in self._neighbours[domain]}
        for neighbour in moved | {place}:
            self._offer(neighbour)
        return Choice(candidate, verdict)

    def _offer(self, place: Place) -> None:
        """Have the best of a place found in its class."""
        if queue := self._queues[place]:
            heappush(self._classes[self._class(place)], (queue[-1], place))

    def _top(self, class_: Class) -> tuple[int, Place] | None:
        """The best of a class."""
        heap = self._classes[class_]
        while heap:
            position, place = heap[0]
            queue = self._queues[place]
            if queue and queue[-1] == position and self._class(place) == class_:
                return position, place
            heappop(heap)
        return None

    def _class(self, place: Place) -> Class:
        """How full the domains of a place are; of the coarsest constraint, the domain itself."""
        level = self._spread.level(place)
        if self._coarsest is None:
            return level
        return (*level[: self._coarsest], place[self._coarsest], *level[self._coarsest + 1 :])

    def _fine_domains(self, place: Place) -> Iterator[tuple[int, str]]:
        """The domains of a place whose filling changes its class, each with the number of its constraint."""
        for number, domain in enumerate(place):
            if domain is not None and number != self._coarsest:
                yield number, domain


def _merit(candidate: Candidate) -> tuple[int, bool, str]:
    return candidate.affinity, candidate.held, candidate.name
