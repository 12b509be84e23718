"""Scheduling policies: what holds where nothing is said, and when a policy counts as another one.

Each content of a policy is kept as a policy snapshot under an index. How many members a PickN policy
wants is not part of that content: a change of the number alone re-uses the snapshot, so that members
chosen before stay chosen.
"""

from __future__ import annotations

import hashlib

import msgspec
import orjson

from echelon.api.placement import PlacementPolicy

PICK_ALL = PlacementPolicy()


def effective(policy: PlacementPolicy | None) -> PlacementPolicy:
    """The policy that holds: without one, every member is chosen."""
    return PICK_ALL if policy is None else policy


def policy_hash(policy: PlacementPolicy | None) -> bytes:
    """The hash of a policy, its number of clusters aside, as a snapshot holds it: the hex digest, as text."""
    plain = None if policy is None else msgspec.to_builtins(msgspec.structs.replace(policy, number_of_clusters=None))
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest().encode()
