"""The namespaces of a member, for namespaced placements that go only where their namespace is.

Off unless the agent is told to: a hub that knows nothing of a member's namespaces takes it that the
member has them all. Each is reported with the AppliedWork that owns it, or with nothing. Of more than
``LIMIT`` namespaces the first by name are reported, and a condition says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from echelon.api.cluster import InternalMemberClusterStatus
from echelon.api.conditions import (
    NAMESPACE_COLLECTION_SUCCEEDED,
    NAMESPACES_COLLECTED,
    NAMESPACES_COLLECTED_IN_PART,
    set_condition,
)
from echelon.api.core import Namespace
from echelon.api.meta import Clock, Condition
from echelon.api.work import AppliedWork
from echelon.kube.cache import SharedCache
from echelon.kube.informer import Change

LIMIT: Final = 200


class Namespaces:
    """Watches the namespaces of one member."""

    def __init__(self, cache: SharedCache, clock: Clock, on_change: Callable[[], None]) -> None:
        """``on_change`` is called when what is reported changes."""
        self._namespaces = cache.informer(Namespace)
        self._clock = clock
        self._on_change = on_change
        self._namespaces.add_handler(self._changed)

    def report(self, before: InternalMemberClusterStatus, generation: int) -> InternalMemberClusterStatus:
        """The status with the namespaces as they are now; as it was while they are not known."""
        if not self._namespaces.has_synced:
            return before
        found = sorted(self._namespaces.list(), key=lambda namespace: namespace.metadata.name)
        status, reason, message = "True", NAMESPACES_COLLECTED, "All namespaces have been collected"
        if len(found) > LIMIT:
            status, reason = "False", NAMESPACES_COLLECTED_IN_PART
            message = f"The member has {len(found)} namespaces; the first {LIMIT} by name have been collected"
        condition = msgspec.convert(
            {"type": NAMESPACE_COLLECTION_SUCCEEDED, "status": status, "reason": reason, "message": message}, Condition
        )
        observed = msgspec.structs.replace(condition, observed_generation=generation)
        return msgspec.structs.replace(
            before,
            namespaces={namespace.metadata.name: _owner(namespace) for namespace in found[:LIMIT]},
            conditions=set_condition(before.conditions, observed, self._clock.now()),
        )

    def _changed(self, change: Change[Namespace]) -> None:
        if change.old is None or change.new is None or _owner(change.old) != _owner(change.new):
            self._on_change()


def _owner(namespace: Namespace) -> str:
    """The AppliedWork that a namespace was applied for, empty for a namespace of others."""
    kind = AppliedWork.resource
    for owner in namespace.metadata.owner_references:
        if owner.kind == kind.kind and owner.api_version.partition("/")[0] == kind.group:
            return owner.name
    return ""
