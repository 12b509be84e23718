"""Which changes of a member concern which policies."""

from __future__ import annotations

import msgspec
import pytest

from echelon.api.cluster import MemberCluster, MemberClusterStatus, PropertyValue
from echelon.api.meta import ObjectMeta
from echelon.api.policy import PlacementPolicy
from echelon.placement.scheduling.concerns import concerns, news

from .fleet import CPU, NODES, PICK_ALL, affinity, agent, cpus, evenly, having, member, pick, rather, some

MEMORY = "resources.kubernetes-fleet.io/available-memory"


@pytest.mark.parametrize(
    ("after", "matters"),
    [
        (member("a"), False),
        (member("a", agent(silent=-1)), False),
        (member("a", agent(silent=-6)), True),
        (member("a", agent(joined=False)), True),
        (member("a", agent(healthy=None)), True),
        (member("a", leaving=True), True),
        (msgspec.structs.replace(member("a"), metadata=ObjectMeta(name="a", generation=2)), True),
        (msgspec.structs.replace(member("a"), status=MemberClusterStatus()), True),
        (member("a", zone="one"), False),
        (member("a", usage=cpus("1")), False),
        (member("a", properties={NODES: "1"}), False),
        (member("a", namespaces={"team": ""}), False),
    ],
)
def test_what_matters_to_a_policy_that_looks_at_nothing(after: MemberCluster, matters: bool) -> None:
    assert wakes(PICK_ALL, member("a"), after) is matters


def wakes(
    policy: PlacementPolicy, old: MemberCluster | None, new: MemberCluster | None, *, fulfilled: bool = False
) -> bool:
    changes = news(old, new)
    return changes is not None and concerns(changes, policy, fulfilled=fulfilled, namespaced=False)


def test_a_heartbeat_is_no_news() -> None:
    observed = PropertyValue(value="1", observation_time="2026-03-02T09:00:00Z")
    later = msgspec.structs.replace(observed, observation_time="2026-03-02T10:00:00Z")
    old, new = (
        msgspec.structs.replace(
            member("a"),
            status=MemberClusterStatus(agent_status=(agent(silent=silent),), properties={NODES: value}),
        )
        for silent, value in ((1, observed), (0, later))
    )
    assert news(old, new) is None


def test_coming_and_going() -> None:
    assert wakes(PICK_ALL, None, member("a"))
    assert wakes(PICK_ALL, member("a"), None)
    with pytest.raises(ValueError, match="before or after"):
        news(None, None)


def test_properties_that_the_policy_compares() -> None:
    little, much = member("a", usage=cpus("1")), member("a", usage=cpus("9"))
    required = [having((CPU, "Ge", "4"))]
    assert wakes(some(1, required=required), little, much)
    assert wakes(PlacementPolicy(affinity=affinity(required)), little, much)
    assert not wakes(some(1, required=[having((MEMORY, "Ge", "4"), (NODES, "Ge", "1"))]), little, much)
    assert not wakes(some(1, preferred=[rather(10, CPU)]), little, much)
    assert wakes(some(1, required=[having((NODES, "Ge", "1"))]), member("a"), member("a", properties={NODES: "1"}))


def test_labels_that_the_policy_reads() -> None:
    old, new = member("a", zone="x"), member("a", zone="y")
    assert wakes(some(1, required=[having(zone="y")]), old, new)
    assert wakes(some(1, spread=[evenly("zone")]), old, new)
    assert not wakes(some(1, required=[having(env="prod")], preferred=[rather(1, zone="y")]), old, new)


def test_a_policy_with_all_its_members_waits_for_none() -> None:
    for policy in (some(1), pick("a")):
        assert wakes(policy, member("a", agent(joined=False)), member("a"))
        assert not wakes(policy, member("a", agent(joined=False)), member("a"), fulfilled=True)
        assert wakes(policy, member("a"), member("a", leaving=True), fulfilled=True)
        assert wakes(policy, member("a"), None, fulfilled=True)
    assert wakes(PICK_ALL, None, member("a"), fulfilled=True)


def test_members_that_were_named() -> None:
    assert wakes(pick("a", "b"), None, member("a"))
    assert not wakes(pick("b"), None, member("a"))
    assert not wakes(pick("b"), member("a"), None)


def test_namespaces_concern_namespaced_placements_only() -> None:
    changes = news(member("a", namespaces={"one": ""}), member("a", namespaces={"two": ""}))
    assert changes is not None
    assert concerns(changes, PICK_ALL, fulfilled=False, namespaced=True)
    assert not concerns(changes, PICK_ALL, fulfilled=False, namespaced=False)
