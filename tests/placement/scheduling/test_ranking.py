"""The ranking takes whom a search through all candidates would take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echelon.api.policy import TopologySpreadConstraint
from echelon.placement.scheduling.ranking import Candidate, Choice, Ranking
from echelon.placement.scheduling.topology import Spread

from .fleet import LABELS, SPREADS, evenly

MEMBERS = st.lists(st.tuples(LABELS, st.integers(-2, 2), st.booleans()), max_size=14)


def spread_over(members: list[tuple[dict[str, str], int, bool]], constraints: list[TopologySpreadConstraint]) -> Spread:
    return Spread(constraints, [labels for labels, _, _ in members], [])


def candidates(members: list[tuple[dict[str, str], int, bool]], spread: Spread) -> list[Candidate]:
    return [
        Candidate(chr(ord("a") + n), spread.place(labels), affinity, held)
        for n, (labels, affinity, held) in enumerate(members)
    ]


def by_search(left: list[Candidate], spread: Spread) -> Choice | None:
    judged = [Choice(candidate, spread.judge(spread.level(candidate.place))) for candidate in left]
    return max(
        (choice for choice in judged if choice.verdict.violation is None),
        key=lambda c: (c.verdict.score, c.candidate.affinity, c.candidate.held, c.candidate.name),
        default=None,
    )


@given(MEMBERS, SPREADS, st.integers(0, 14))
def test_it_takes_the_best_each_time(
    members: list[tuple[dict[str, str], int, bool]], constraints: list[TopologySpreadConstraint], number: int
) -> None:
    spread, other = spread_over(members, constraints), spread_over(members, constraints)
    left = candidates(members, other)
    ranking = Ranking(candidates(members, spread), spread)
    for _ in range(number):
        expected = by_search(left, other)
        assert ranking.choose() == expected
        if expected is None:
            break
        left.remove(expected.candidate)
        other.add(expected.candidate.place)
    rest = list(ranking.rest())
    assert {choice.candidate for choice in rest} == set(left)
    assert all(choice.verdict == other.judge(other.level(choice.candidate.place)) for choice in rest)


def test_the_rest_comes_best_first() -> None:
    members = [({"zone": "x"}, 5, False), ({"zone": "y"}, 0, False), ({"zone": "x"}, 9, False)]
    spread = spread_over(members, [evenly("zone", 2)])
    ranking = Ranking(candidates(members, spread), spread)
    first = ranking.choose()
    assert first is not None
    assert first.candidate.name == "c"
    assert [(c.candidate.name, c.verdict.score) for c in ranking.rest()] == [("b", 1), ("a", -1)]


def test_many_domains() -> None:
    """More domains than a class is kept for each of."""
    members: list[tuple[dict[str, str], int, bool]] = [({"host": str(n)}, n, False) for n in range(40)]
    spread = spread_over(members, [evenly("host")])
    ranking = Ranking([Candidate(f"{n:02}", spread.place(m[0]), m[1], False) for n, m in enumerate(members)], spread)
    taken = [choice.candidate.affinity for _ in range(40) if (choice := ranking.choose()) is not None]
    assert taken == list(range(39, -1, -1))
