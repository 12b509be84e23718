"""Items of long lists that were looked at before, and were found to be as they should be.

The status of a large thing is a long list of which each write changes little: without a memory every pass
over it would look at all of it again, a hundred times for a hundred members. What the passes make of an
item depends on nothing but the item and its schema, so a node remembers the digests of items that are
valid and that pruning and defaulting leave as they are. All three pass over such an item.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from echelon.apiserver.schema.structural import Structural

LONG = 8
"""From so many items on a list is worth the digests."""
_MOST = 20_000  # digests that a node keeps


class Known:
    """The digests of one node; when there are too many, those that have not been of use the longest go."""

    __slots__ = ("_before", "_digests")

    def __init__(self, _: Structural) -> None:
        self._digests: set[bytes] = set()
        self._before: set[bytes] = set()

    def has(self, digest: bytes | None) -> bool:
        """Whether an item of this digest is known to be in order."""
        if digest in self._digests:
            return True
        if digest is None or digest not in self._before:
            return False
        self.add(digest)
        return True

    def add(self, digest: bytes) -> None:
        """An item of this digest is in order."""
        self._digests.add(digest)
        if len(self._digests) >= _MOST // 2:
            self._before, self._digests = self._digests, set()


def known_of(node: Structural) -> Known:
    """What is known of the items that a node describes."""
    known: Known = node.compiled("known", Known)
    return known


def digest_of(item: Any) -> bytes | None:
    """A digest of an object in a list; None for what is no object, or no JSON."""
    if type(item) is not dict:
        return None
    try:
        return blake2b(orjson.dumps(item), digest_size=16).digest()
    except TypeError:
        return None
