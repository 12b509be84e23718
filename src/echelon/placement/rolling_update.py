"""The rollout controller: placements under the RollingUpdate strategy follow the latest snapshot by themselves.

A pass gives every binding the way of applying that the placement asks for, then lets ``rolling``
decide which of them get the latest snapshot and the overrides as they are, which are deleted, and
which have to wait, and says so on each. It comes again when a binding reports, and when a member
whose availability cannot be tracked has had its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import structlog

from echelon.api import names
from echelon.api.binding import BOUND, UNSCHEDULED, ResourceBindingSpec
from echelon.api.cluster import MemberCluster
from echelon.api.meta import Clock, KubeObject
from echelon.api.placement import ApplyStrategy, RollingUpdateConfig
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.placement.binder import EMPTY, Binder, has_note, is_started
from echelon.placement.index import Related
from echelon.placement.keeper import SnapshotKeeper, index_of
from echelon.placement.overrides.choice import Choice, Overrides, SnapshotAwaited
from echelon.placement.policy import effective
from echelon.placement.rolling import Pace, pace
from echelon.placement.scope import Binding, Placement, Scope

_STARTED = ("RolloutStarted", "Detected the new changes on the resources and started the rollout process")
_BLOCKED = (
    "RolloutNotStartedYet",
    "The resources cannot be updated to the latest because of the rollout strategy",
)

log = structlog.get_logger(__name__)


class RollingUpdateReconciler:
    """Rolls out the placements of one scope that leave it to the hub."""

    def __init__(
        self,
        client: Client,
        related: Related,
        keeper: SnapshotKeeper,
        overrides: Overrides,
        scope: Scope,
        clock: Clock,
    ) -> None:
        self._client = client
        self._related = related
        self._keeper = keeper
        self._overrides = overrides
        self._scope = scope
        self._clock = clock
        self._binder = Binder(client, clock)

    async def reconcile(self, request: Request) -> Result | None:
        placement = self._related.placement(request.key)
        if placement is None or placement.metadata.deletion_timestamp is not None:
            return None
        if placement.spec.strategy.type == "External":
            return None
        snapshot = self._keeper.latest(placement.key)
        parts = None if snapshot is None else self._keeper.parts(placement.key, index_of(snapshot))
        if snapshot is None or parts is None:
            return None  # it comes as a change
        try:
            choice = self._overrides.choice(placement.key, parts)
        except SnapshotAwaited as obstacle:
            log.info("rollout waits", placement=placement.metadata.name, reason=str(obstacle))
            return None  # it comes as a change, too
        bindings = list(self._related.bindings(placement.key))
        wanted = {b.metadata.name: self._wanted(b, placement, snapshot.metadata.name, choice) for b in bindings}
        notes = {name: self._note(spec) for name, spec in wanted.items()}
        decided = pace(
            bindings,
            {
                b.metadata.name: wanted[b.metadata.name] != _with_strategy(b, wanted[b.metadata.name])
                or not has_note(b, notes[b.metadata.name])
                for b in bindings
            },
            _target(placement, bindings),
            placement.spec.strategy.rolling_update or RollingUpdateConfig(),
            self._clock.now(),
        )
        await self._carry_out(placement, decided, wanted, notes)
        return None if decided.wait is None else Result(requeue_after=decided.wait.total_seconds())

    def concerned_by_override(self, _: KubeObject) -> Iterable[Request]:
        """The placements that may have to be updated since an override changed."""
        return [
            Request(*placement.key)
            for placement in self._related.placements()
            if placement.spec.strategy.type != "External"
        ]

    def concerned_by_labels(self, member: MemberCluster) -> Iterable[Request]:
        """The placements that may have to be updated since the labels of a member changed."""
        return self.concerned_by_override(member) if self._overrides.exist() else ()

    def _wanted(self, binding: Binding, placement: Placement, snapshot: str, choice: Choice) -> ResourceBindingSpec:
        strategy = placement.spec.strategy.apply_strategy or ApplyStrategy()
        if binding.spec.state == UNSCHEDULED:
            return binding.spec
        chosen = choice(binding.spec.target_cluster)
        return msgspec.structs.replace(
            binding.spec,
            state=BOUND,
            resource_snapshot_name=snapshot,
            resource_override_snapshots=chosen.namespaced,
            cluster_resource_override_snapshots=chosen.cluster,
            apply_strategy=strategy,
        )

    def _note(self, wanted: ResourceBindingSpec) -> Mapping[str, str]:
        """What is noted on a binding beside its spec: the labels of its member that its overrides look at."""
        labels = self._overrides.labels_of_note(wanted)
        return EMPTY if labels is None else {names.OVERRIDE_LABELS: labels}

    async def _carry_out(
        self,
        placement: Placement,
        decided: Pace,
        wanted: Mapping[str, ResourceBindingSpec],
        notes: Mapping[str, Mapping[str, str]],
    ) -> None:
        for binding in decided.delete:
            await self._client.delete(self._scope.binding, binding.key, uid=binding.metadata.uid, missing_ok=True)
        for binding in decided.update:
            log.info("member updated", placement=placement.metadata.name, member=binding.spec.target_cluster)
            name = binding.metadata.name
            await self._binder.start(binding, wanted[name], notes[name], *_STARTED)
        for binding in decided.blocked:
            await self._block(binding, wanted[binding.metadata.name])
        handled = {b.metadata.name for b in (*decided.delete, *decided.update, *decided.blocked)}
        for found in self._related.bindings(placement.key):
            if found.metadata.name in handled or found.metadata.name not in wanted:
                continue
            binding = await self._push_strategy(found, wanted[found.metadata.name])
            settled = binding.spec == wanted[binding.metadata.name] and binding.spec.state == BOUND
            if settled and not is_started(binding):
                await self._binder.mark(binding, "True", *_STARTED)  # a pass was cut short in between

    async def _block(self, binding: Binding, wanted: ResourceBindingSpec) -> None:
        """Let a binding wait with the objects it has; how they are applied changes at once."""
        await self._binder.mark(await self._push_strategy(binding, wanted), "False", *_BLOCKED)

    async def _push_strategy(self, binding: Binding, wanted: ResourceBindingSpec) -> Binding:
        """Change how objects are applied where there are some; that takes nothing away, so it never waits."""
        spec = _with_strategy(binding, wanted)
        going = binding.metadata.deletion_timestamp is not None
        if going or binding.spec.state != BOUND or binding.spec == spec:
            return binding
        return await self._binder.give(binding, spec)


def _with_strategy(binding: Binding, wanted: ResourceBindingSpec) -> ResourceBindingSpec:
    """What a binding has, applied as is wanted."""
    return msgspec.structs.replace(binding.spec, apply_strategy=wanted.apply_strategy)


def _target(placement: Placement, bindings: list[Binding]) -> int:
    """How many members the placement wants to be served."""
    policy = effective(placement.spec.policy)
    match policy.placement_type:
        case "PickFixed":
            return len(policy.cluster_names)
        case "PickN":
            return policy.number_of_clusters or 0
        case _:
            alive = [b for b in bindings if b.metadata.deletion_timestamp is None]
            return sum(1 for binding in alive if binding.spec.state != UNSCHEDULED)
