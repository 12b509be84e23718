"""Gives bindings their snapshot: the one thing that staged runs and rolling updates both do.

Two writes: the spec, with the finalizer by which work generation holds the binding, and then the
condition that the rollout has started, observed at the generation that the first write made.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from echelon.api import names
from echelon.api.binding import ResourceBindingSpec, ResourceBindingStatus
from echelon.api.conditions import ROLLOUT_STARTED, find_condition, set_condition
from echelon.api.meta import Clock, Condition, ConditionStatus
from echelon.kube.client import Client
from echelon.placement.scope import Binding

EMPTY: Mapping[str, str] = {}


class Binder:
    """Writes bindings."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def give(
        self, binding: Binding, spec: ResourceBindingSpec, annotations: Mapping[str, str] = EMPTY
    ) -> Binding:
        """Make a binding's spec what it has to be, and note on it who did."""
        finalizers = binding.metadata.finalizers
        if names.WORK_CLEANUP not in finalizers:
            finalizers = (*finalizers, names.WORK_CLEANUP)
        metadata = msgspec.structs.replace(
            binding.metadata, finalizers=finalizers, annotations={**binding.metadata.annotations, **annotations}
        )
        changed = msgspec.structs.replace(binding, metadata=metadata, spec=spec)
        return await self._client.patch_object(binding, changed, lock=True)

    async def start(
        self, binding: Binding, spec: ResourceBindingSpec, note: Mapping[str, str], reason: str, message: str
    ) -> Binding:
        """Make a binding's spec what it has to be, with a note, and say that its rollout has started.

        Where only the note is another one, what the member has is made anew though the spec, and with it the
        generation, stays. Then what was reported is forgotten before the note is written: nobody, whoever dies
        in between, takes it for a report of what comes now.
        """
        if binding.spec == spec:
            started = Condition(
                ROLLOUT_STARTED, "True", reason, message, observed_generation=binding.metadata.generation
            )
            status = ResourceBindingStatus(conditions=set_condition((), started, self._clock.now()))
            fresh = msgspec.structs.replace(binding, status=status)
            return await self.give(await self._client.patch_status(binding, fresh, lock=True), spec, note)
        return await self.mark(await self.give(binding, spec, note), "True", reason, message)

    async def mark(self, binding: Binding, status: ConditionStatus, reason: str, message: str) -> Binding:
        """Set the condition RolloutStarted for the binding as it is now; no write when it says so already.

        Its time is that of the last change of what the binding was given, though it was True before.
        """
        generation = binding.metadata.generation
        condition = Condition(ROLLOUT_STARTED, status, reason, message, observed_generation=generation)
        before = binding.status.conditions
        present = find_condition(before, ROLLOUT_STARTED)
        if present is not None and present.observed_generation != generation:
            fresh = msgspec.structs.replace(present, last_transition_time="")
            before = tuple(fresh if item is present else item for item in before)
        conditions = set_condition(before, condition, self._clock.now())
        changed = msgspec.structs.replace(binding.status, conditions=conditions)
        return await self._client.patch_status(binding, msgspec.structs.replace(binding, status=changed), lock=True)


def is_started(binding: Binding) -> bool:
    """Whether the rollout of the binding as it is now was started."""
    started = find_condition(binding.status.conditions, ROLLOUT_STARTED)
    return (
        started is not None and started.status == "True" and started.observed_generation == binding.metadata.generation
    )


def has_note(binding: Binding, note: Mapping[str, str]) -> bool:
    """Whether a binding says all of a note."""
    return all(binding.metadata.annotations.get(key) == value for key, value in note.items())
