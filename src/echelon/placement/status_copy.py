"""The copy of a placement's status in the namespace that it places, for those who may read no more than that.

A ClusterResourcePlacement whose ``statusReportingScope`` is NamespaceAccessible selects one namespace.
Its status, but for what it says of the copy, is written there as a ClusterResourcePlacementStatus under
the placement's name, whenever it changes and whenever somebody else changed the copy. The namespace in
which the copy is stays the placement's: who was promised a status there is not left with an old one, so
a selector that chooses another namespace cannot be followed until the first one is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from echelon.api.conditions import STATUS_SYNC_FAILED, STATUS_SYNC_SUCCEEDED, STATUS_SYNCED, placement_condition
from echelon.api.meta import Clock, Condition, ConditionStatus, ObjectMeta, format_time
from echelon.api.placement import ClusterResourcePlacementStatus, PlacementStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, TooManyRequests
from echelon.placement.scope import Placement, owner_of
from echelon.placement.selection import BadSelector, Object

MESSAGE_LIMIT = 32768  # of a condition


class Kept(msgspec.Struct, frozen=True):
    """Whether a copy says what it should, as a condition; ``refusal`` is what the server had against it."""

    condition: Condition
    refusal: ApiError | None = None


class StatusCopies:
    """Writes the copies; the cache holds all that there are."""

    def __init__(self, client: Client, cache: SharedCache, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        cache.informer(ClusterResourcePlacementStatus)

    def check(self, placement: Placement, resources: Sequence[Object]) -> None:
        """Whether the namespace that is selected is still the one in which the copy is.

        Raises:
            BadSelector: it is another one.
        """
        if not is_copied(placement) or (present := self._present(placement)) is None:
            return
        for namespace in _namespaces(resources):
            if namespace != present.metadata.namespace:
                raise BadSelector(
                    f"namespace resource selector is choosing a different namespace '{namespace}' from what was "
                    f"originally picked '{present.metadata.namespace}'. This is not allowed for NamespaceAccessible "
                    f"{placement.resource.kind}"
                )

    async def keep(self, placement: Placement, status: PlacementStatus, resources: Sequence[Object]) -> Kept:
        """Make the copy say what the status says.

        Raises:
            ApiError: nobody answered, or not for long; the next pass tries again.
        """
        present = self._present(placement)
        found = _namespaces(resources) if present is None else [present.metadata.namespace]
        if len(found) != 1:
            chosen = ", ".join(found) or "none"
            return Kept(_failed(placement, f"one namespace has to be selected, to hold it; there is {chosen}"))
        try:
            await self._write(placement, status, found[0], present)
        except ApiError as error:
            if isinstance(error, TooManyRequests) or not 400 <= error.code < 500:
                raise
            return Kept(_failed(placement, str(error)), error)
        message = f"Successfully created or updated ClusterResourcePlacementStatus in namespace '{found[0]}'"
        return Kept(_condition(placement, "True", STATUS_SYNC_SUCCEEDED, message))

    async def _write(
        self,
        placement: Placement,
        status: PlacementStatus,
        namespace: str,
        present: ClusterResourcePlacementStatus | None,
    ) -> None:
        moment = format_time(self._clock.now())
        if present is None:
            metadata = ObjectMeta(
                name=placement.metadata.name, namespace=namespace, owner_references=(owner_of(placement),)
            )
            copy = ClusterResourcePlacementStatus(metadata=metadata, source_status=status, last_updated_time=moment)
            await self._client.create(copy)
        elif present.source_status != status:
            changed = msgspec.structs.replace(present, source_status=status, last_updated_time=moment)
            await self._client.patch_object(present, changed)

    def _present(self, placement: Placement) -> ClusterResourcePlacementStatus | None:
        """The copy that there is; one that another placement of this name left behind is none."""
        return next(
            (
                copy
                for copy in self._cache.list(ClusterResourcePlacementStatus)
                if copy.metadata.deletion_timestamp is None
                and any(owner.uid == placement.metadata.uid for owner in copy.metadata.owner_references)
            ),
            None,
        )


def is_copied(placement: Placement) -> bool:
    """Whether the status of a placement is copied into the namespace that it places."""
    cluster_scoped = not placement.resource.namespaced
    return cluster_scoped and placement.spec.status_reporting_scope == "NamespaceAccessible"


def _namespaces(resources: Sequence[Object]) -> list[str]:
    return [
        str(obj["metadata"]["name"]) for obj in resources if (obj["apiVersion"], obj["kind"]) == ("v1", "Namespace")
    ]


def _failed(placement: Placement, why: str) -> Condition:
    message = f"Failed to create or update ClusterResourcePlacementStatus: {why}"
    return _condition(placement, "False", STATUS_SYNC_FAILED, message[:MESSAGE_LIMIT])


def _condition(placement: Placement, status: ConditionStatus, reason: str, message: str) -> Condition:
    type_ = placement_condition(placement.resource.kind, STATUS_SYNCED)
    generation = placement.metadata.generation
    return Condition(type_, status, reason, message, observed_generation=generation)
