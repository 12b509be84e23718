"""What a member is and has: version, address, nodes, CPU and memory, for scheduling by property.

Values that did not change keep the time at which they were first seen, so that an unchanged member
makes an unchanged report. What cannot be found out keeps its last value; conditions say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from echelon.agent.capacity import Capacity
from echelon.api import names
from echelon.api.cluster import InternalMemberClusterStatus, PropertyValue, ResourceUsage
from echelon.api.conditions import (
    PROPERTIES_COLLECTED,
    PROPERTIES_NOT_COLLECTED,
    PROPERTY_COLLECTION_SUCCEEDED,
    PROPERTY_PROVIDER_IS_STARTED,
    PROPERTY_PROVIDER_STARTED,
    PROPERTY_TIMED_OUT,
    set_condition,
)
from echelon.api.meta import Clock, Condition, format_time
from echelon.kube.client import Client
from echelon.kube.errors import ApiError

DEADLINE = 10.0  # seconds for the member to say what it is
START_GRACE = 1.0  # seconds that the first report waits for nodes and pods to be known


class Properties:
    """The properties of one member. ``entrypoint`` and ``certificate_authority`` are how others reach it."""

    def __init__(
        self,
        member: Client,
        capacity: Capacity,
        clock: Clock,
        *,
        entrypoint: str = "",
        certificate_authority: str = "",
    ) -> None:
        self._member = member
        self._capacity = capacity
        self._clock = clock
        self._fixed = {
            names.CLUSTER_ENTRYPOINT: entrypoint,
            names.CLUSTER_CERTIFICATE_AUTHORITY: certificate_authority,
        }
        self._since: float | None = None

    async def start(self) -> None:
        """Give nodes and pods a moment to become known."""
        if self._since is not None or self._capacity.has_synced:
            return
        self._since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(START_GRACE):
                await self._capacity.wait_for_sync()
        except TimeoutError:
            return  # it will be told when they are

    def overdue_in(self) -> float | None:
        """Seconds until nodes and pods are overdue; None when they are known, or overdue already."""
        if self._capacity.has_synced or self._since is None:
            return None
        left = self._since + DEADLINE - asyncio.get_running_loop().time()
        return left if left > 0 else None

    async def report(self, before: InternalMemberClusterStatus, generation: int) -> InternalMemberClusterStatus:
        """The status with the properties as they are now."""
        values = {name: value for name, value in self._fixed.items() if value}
        collected = Condition(
            PROPERTY_COLLECTION_SUCCEEDED, "True", PROPERTIES_COLLECTED, "All properties have been collected"
        )
        try:
            async with asyncio.timeout(DEADLINE):
                values[names.KUBERNETES_VERSION] = (await self._member.version()).git_version
        except TimeoutError:
            message = f"The member's API server did not tell its version within {DEADLINE:g} s"
            collected = Condition(PROPERTY_COLLECTION_SUCCEEDED, "False", PROPERTY_TIMED_OUT, message)
        except ApiError as error:
            message = f"The member's API server did not tell its version: {error}"
            collected = Condition(PROPERTY_COLLECTION_SUCCEEDED, "False", PROPERTIES_NOT_COLLECTED, message)
        usage = before.resource_usage
        if self._capacity.has_synced:
            values[names.NODE_COUNT] = str(self._capacity.offer().nodes)
            if images := self._capacity.node_images():
                values[names.NODE_IMAGES] = ",".join(images)
            usage = self._usage(usage)
        return msgspec.structs.replace(
            before,
            conditions=self._conditions(before.conditions, collected, generation),
            properties={**before.properties, **self._observed(before.properties, values)},
            resource_usage=usage,
        )

    def _observed(self, before: Mapping[str, PropertyValue], values: Mapping[str, str]) -> Mapping[str, PropertyValue]:
        moment = format_time(self._clock.now())
        return {
            name: before[name]
            if name in before and before[name].value == value
            else PropertyValue(value=value, observation_time=moment)
            for name, value in values.items()
        }

    def _usage(self, before: ResourceUsage | None) -> ResourceUsage:
        offer = self._capacity.offer()
        found = ResourceUsage(
            capacity=offer.capacity,
            allocatable=offer.allocatable,
            available=offer.available,
            observation_time=None if before is None else before.observation_time,
        )
        if found == before:
            return before
        return msgspec.structs.replace(found, observation_time=format_time(self._clock.now()))

    def _conditions(self, before: Sequence[Condition], collected: Condition, generation: int) -> tuple[Condition, ...]:
        found = [collected]
        if self._capacity.has_synced:
            message = "Nodes and pods are watched"
            found.insert(0, Condition(PROPERTY_PROVIDER_STARTED, "True", PROPERTY_PROVIDER_IS_STARTED, message))
        elif self._since is not None and self.overdue_in() is None:
            message = f"The member's nodes and pods could not be listed within {DEADLINE:g} s"
            found.insert(0, Condition(PROPERTY_PROVIDER_STARTED, "False", PROPERTY_TIMED_OUT, message))
        conditions = tuple(before)
        for condition in found:
            observed = msgspec.structs.replace(condition, observed_generation=generation)
            conditions = set_condition(conditions, observed, self._clock.now())
        return conditions
