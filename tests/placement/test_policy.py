"""When a policy counts as another one."""

from __future__ import annotations

import msgspec

from echelon.api.policy import PlacementPolicy, Toleration
from echelon.placement.policy import effective, policy_hash


def test_no_policy_is_all_members() -> None:
    assert effective(None).placement_type == "PickAll"
    fixed = PlacementPolicy(placement_type="PickFixed", cluster_names=("a",))
    assert effective(fixed) is fixed


def test_the_number_of_members_is_not_part_of_it() -> None:
    two = PlacementPolicy(placement_type="PickN", number_of_clusters=2)
    assert policy_hash(two) == policy_hash(msgspec.structs.replace(two, number_of_clusters=5))


def test_everything_else_is() -> None:
    policies = [
        None,
        PlacementPolicy(),
        PlacementPolicy(tolerations=(Toleration(key="a", operator="Exists"),)),
        PlacementPolicy(placement_type="PickFixed", cluster_names=("a",)),
        PlacementPolicy(placement_type="PickFixed", cluster_names=("b",)),
        PlacementPolicy(placement_type="PickN", number_of_clusters=1),
    ]
    assert len({policy_hash(policy) for policy in policies}) == len(policies)


def test_the_hash_is_text() -> None:
    digest = policy_hash(None).decode()
    assert len(digest) == 64
    assert int(digest, 16) >= 0
