"""What choosing a member does to the spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.policy import TopologySpreadConstraint
from echelon.placement.scheduling.topology import Spread, Verdict

from .fleet import LABELS, SPREADS, evenly


def spread_of(counts: Sequence[int], max_skew: int = 1, *, soft: bool = False) -> Spread:
    """A spread over domains 0, 1, … of one constraint in which so many are chosen."""
    fleet = [{"zone": str(zone)} for zone in range(len(counts))]
    chosen = [{"zone": str(zone)} for zone, count in enumerate(counts) for _ in range(count)]
    constraint = evenly("zone", max_skew, "ScheduleAnyway" if soft else "DoNotSchedule")
    return Spread([constraint], fleet, chosen)


def judged(spread: Spread, domain: str) -> Verdict:
    return spread.judge(spread.level(spread.place({"zone": domain})))


VIOLATED = 'violated doNotSchedule topology spread constraint "zone" (max skew 1)'


@pytest.mark.parametrize(
    ("counts", "domain", "score"),
    [
        ([0, 0], "0", -1),  # all alike: one gets ahead
        ([1, 0], "1", 1),  # the only one behind catches up
        ([1, 0, 0], "1", 0),  # another is still behind
        ([3, 2, 1], "1", 0),  # in between
        ([2, 0], "0", -1),  # the first gets further ahead
        ([1], "0", -1),  # the only domain there is
    ],
)
def test_the_score_is_how_much_smaller_the_skew_gets(counts: list[int], domain: str, score: int) -> None:
    assert judged(spread_of(counts, 9), domain) == Verdict(score)


@pytest.mark.parametrize(
    ("counts", "domain", "allowed"),
    [
        ([0, 0], "0", True),
        ([1, 0], "0", False),
        ([1, 0], "1", True),
        ([1, 0, 0], "1", True),
        ([2, 0, 0], "1", False),  # too uneven already, and no better for it
        ([2, 0], "1", True),
        ([5], "0", True),
    ],
)
def test_a_hard_constraint(counts: list[int], domain: str, allowed: bool) -> None:
    verdict = judged(spread_of(counts), domain)
    assert verdict.violation == (None if allowed else VIOLATED)


def test_a_soft_constraint_costs_a_thousand() -> None:
    assert judged(spread_of([1, 0], soft=True), "0") == Verdict(-1000)
    assert judged(spread_of([1, 0], soft=True), "1") == Verdict(1)


def test_members_without_the_label_are_no_part_of_it() -> None:
    spread = spread_of([1, 0])
    assert spread.judge(spread.level(spread.place({}))) == Verdict(0)
    spread.add(spread.place({}))
    assert spread.level(spread.place({"zone": "0"})) == (1,)


def test_constraints_add_up_and_hard_ones_come_first() -> None:
    fleet = [{"zone": "x", "env": "p"}, {"zone": "y", "env": "q"}]
    spread = Spread([evenly("env", when="ScheduleAnyway"), evenly("zone")], fleet, [fleet[0]])
    assert spread.judge(spread.level(spread.place(fleet[1]))) == Verdict(2)
    assert spread.judge(spread.level(spread.place(fleet[0]))) == Verdict(0, VIOLATED)
    assert spread.judge(spread.level(spread.place({"zone": "y", "env": "p"}))) == Verdict(-999)


@given(st.lists(LABELS, min_size=1, max_size=8), SPREADS, st.lists(st.integers(0, 7), max_size=12))
def test_the_skew_is_that_of_the_counts(
    fleet: list[dict[str, str]], constraints: list[TopologySpreadConstraint], picks: list[int]
) -> None:
    """Kept up to date one by one, the verdicts are those that counting anew gives."""
    chosen = [fleet[pick % len(fleet)] for pick in picks]
    spread = Spread(constraints, fleet, chosen)
    for labels in fleet:
        assert spread.judge(spread.level(spread.place(labels))) == _by_counting(constraints, fleet, chosen, labels)


def _by_counting(
    constraints: list[TopologySpreadConstraint],
    fleet: list[dict[str, str]],
    chosen: list[dict[str, str]],
    labels: dict[str, str],
) -> Verdict:
    score = 0
    for constraint in sorted(constraints, key=lambda c: c.when_unsatisfiable):
        key = constraint.topology_key
        if key not in labels:
            continue
        counts = Counter({each[key]: 0 for each in fleet if key in each})
        counts.update(each[key] for each in chosen if key in each)
        skew = max(counts.values()) - min(counts.values())
        counts[labels[key]] += 1
        after = max(counts.values()) - min(counts.values())
        if len(counts) == 1:
            after = skew + 1  # a domain alone counts as getting ahead
        if after > constraint.max_skew:
            if constraint.when_unsatisfiable == "DoNotSchedule":
                words = f'"{key}" (max skew {constraint.max_skew})'
                return Verdict(0, f"violated doNotSchedule topology spread constraint {words}")
            score -= 1000
        else:
            score += skew - after
    return Verdict(score)
