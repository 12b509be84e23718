"""A thousand placements, and what members report: who is looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import SCHEDULED
from echelon.api.meta import Condition, ObjectMeta
from echelon.api.placement import ClusterResourcePlacement, PlacementSpec
from echelon.api.policy import PlacementPolicy
from echelon.api.snapshot import (
    ClusterSchedulingPolicySnapshot,
    SchedulingPolicySnapshotSpec,
    SchedulingPolicySnapshotStatus,
)
from echelon.kube.cache import SharedCache
from echelon.kube.controller import Request
from echelon.kube.informer import Change
from echelon.kube.kinds import Key, kind_of
from echelon.placement.attention import MemberChanges
from echelon.placement.index import Related

from .scheduling.fleet import CPU, PICK_ALL, agent, cpus, having, member, pick, some

ROOMY = some(1, required=[having((CPU, "Ge", "4"))])
POLICIES = [PICK_ALL, some(3), ROOMY, pick("b")]


class Placements:
    """A thousand placements, policies in turn; those named are fulfilled."""

    def __init__(self, fulfilled: Sequence[str] = ()) -> None:
        self.fulfilled = frozenset(fulfilled)
        self.reads = 0
        self._placements = [placement(f"p{n}", POLICIES[n % len(POLICIES)]) for n in range(1000)]

    def placements(self) -> Sequence[ClusterResourcePlacement]:
        self.reads += 1
        return self._placements

    def latest_policy(self, key: Key) -> ClusterSchedulingPolicySnapshot:
        done = Condition(SCHEDULED, "True" if key[1] in self.fulfilled else "False", "Reason", "")
        return ClusterSchedulingPolicySnapshot(
            spec=SchedulingPolicySnapshotSpec(policy_hash=b""),
            status=SchedulingPolicySnapshotStatus(observed_crp_generation=1, conditions=(done,)),
        )


def placement(name: str, policy: PlacementPolicy) -> ClusterResourcePlacement:
    spec = PlacementSpec(resource_selectors=(), policy=None if policy is PICK_ALL else policy)
    return ClusterResourcePlacement(metadata=ObjectMeta(name=name), spec=spec)


class Members:
    """As much of a cache as a source needs."""

    def __init__(self) -> None:
        self.handlers: list[Callable[[Change[MemberCluster]], None]] = []

    def informer(self, kind: Any) -> Members:
        return self

    def add_handler(self, handler: Callable[[Change[MemberCluster]], None]) -> None:
        self.handlers.append(handler)


def woken(
    placements: Placements, old: MemberCluster | None, new: MemberCluster | None, *, initial: bool = False
) -> list[int]:
    """The numbers of the placements that are looked at again."""
    found: list[Request] = []
    members = Members()
    source = MemberChanges(cast(Related, placements))
    source.attach(cast(SharedCache, members), lambda request, _: found.append(request))
    for handler in members.handlers:
        handler(Change(kind_of(MemberCluster), old, new, initial))
    return [int(request.name[1:]) for request in found]


def every(offset: int) -> list[int]:
    return list(range(offset, 1000, len(POLICIES)))


def test_a_heartbeat_wakes_nobody_and_looks_at_no_placement() -> None:
    placements = Placements()
    assert woken(placements, member("a", agent(silent=1)), member("a", agent())) == []
    assert placements.reads == 0


def test_what_is_there_from_the_start_is_seen_with_the_placements() -> None:
    assert woken(Placements(), None, member("a"), initial=True) == []


def test_a_property_wakes_those_that_compare_it_and_still_want_members() -> None:
    before, after = member("a", usage=cpus("1")), member("a", usage=cpus("9"))
    assert woken(Placements(), before, after) == every(2)
    assert woken(Placements(fulfilled=[f"p{n}" for n in every(2)[1:]]), before, after) == [2]


def test_a_member_that_comes_wakes_those_that_want_members() -> None:
    everybody = Placements(fulfilled=[f"p{n}" for n in range(1000)])
    assert woken(everybody, None, member("a")) == every(0)
    assert woken(Placements(), None, member("a")) == sorted(every(0) + every(1) + every(2))
    assert woken(Placements(), None, member("b")) == list(range(1000))


def test_a_member_that_leaves_wakes_all_that_may_have_it() -> None:
    everybody = Placements(fulfilled=[f"p{n}" for n in range(1000)])
    assert woken(everybody, member("a"), None) == sorted(every(0) + every(1) + every(2))
    assert woken(everybody, member("a"), member("a", leaving=True)) == sorted(every(0) + every(1) + every(2))


def test_labels_that_nobody_reads_wake_nobody() -> None:
    relabelled = msgspec.structs.replace(member("a"), metadata=ObjectMeta(name="a", generation=1, labels={"x": "y"}))
    assert woken(Placements(), member("a"), relabelled) == []
