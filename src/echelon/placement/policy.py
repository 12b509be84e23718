"""Scheduling policies: what holds where nothing is said, and when a policy counts as another one.

Each content of a policy is kept as a policy snapshot under an index. How many members a PickN policy
wants is not part of that content: a change of the number alone re-uses the snapshot, so that members
chosen before stay chosen. The number that holds is an annotation of the snapshot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import orjson

from echelon.api import names
from echelon.api.policy import PlacementPolicy

PICK_ALL = PlacementPolicy()


def effective(policy: PlacementPolicy | None, annotations: Mapping[str, str] | None = None) -> PlacementPolicy:
    """The policy that holds: without one, every member is chosen.

    ``annotations`` are those of the policy snapshot; they tell the number of members by now.
    """
    if policy is None:
        return PICK_ALL
    number = (annotations or {}).get(names.NUMBER_OF_CLUSTERS, "")
    return msgspec.structs.replace(policy, number_of_clusters=int(number)) if number.isdecimal() else policy


def policy_hash(policy: PlacementPolicy | None) -> bytes:
    """The hash of a policy, its number of clusters aside, as a snapshot holds it: the hex digest, as text."""
    plain = None if policy is None else msgspec.to_builtins(msgspec.structs.replace(policy, number_of_clusters=None))
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest().encode()
