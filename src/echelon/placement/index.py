"""How the placement controllers read the shared cache: by name, and by what belongs together.

Every object that is made for a placement carries the placement's name as a label; a binding's Works
carry the binding's. The indexes turn these labels round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from echelon.api import names
from echelon.api.meta import KubeObject
from echelon.api.work import Work
from echelon.kube.cache import SharedCache
from echelon.kube.kinds import Key
from echelon.placement.scope import Approval, Binding, Placement, PolicySnapshot, Run, Scope, Snapshot, Strategy

_BY_PLACEMENT = "placement"
_BY_RUN = "run"
_BY_BINDING = "binding"


def text(key: Key) -> str:
    """A key as an index value."""
    return "/".join(key)


def placement_key(obj: KubeObject) -> Key:
    """The placement that an object was made for."""
    return obj.metadata.namespace, obj.metadata.labels.get(names.PARENT_PLACEMENT, "")


def run_key(approval: Approval) -> Key:
    """The run that asked for an approval."""
    return approval.metadata.namespace, approval.spec.parent_stage_rollout


def binding_key(work: Work) -> Key:
    """The binding that a Work was made for."""
    labels = work.metadata.labels
    return labels.get(names.PARENT_PLACEMENT_NAMESPACE, ""), labels.get(names.PARENT_BINDING, "")


def _labelled(obj: KubeObject) -> Iterable[str]:
    key = placement_key(obj)
    return (text(key),) if key[1] else ()


class Related:
    """Typed reads of one scope's objects, and of what belongs to a placement, a run or a binding."""

    def __init__(self, cache: SharedCache, scope: Scope) -> None:
        self._cache = cache
        self._scope = scope
        for kind in (scope.binding, scope.snapshot, scope.policy_snapshot):
            cache.informer(kind).add_index(_BY_PLACEMENT, _labelled)
        cache.informer(scope.run).add_index(_BY_PLACEMENT, lambda run: [text(_placement_of(cast(Run, run)))])
        cache.informer(scope.approval).add_index(_BY_RUN, lambda obj: [text(run_key(cast(Approval, obj)))])
        cache.informer(scope.placement)
        cache.informer(scope.strategy)
        works = cache.informer(Work)
        works.add_index(f"{_BY_BINDING}-{scope.name}", self._work_values)

    def _work_values(self, work: Work) -> Iterable[str]:
        key = binding_key(work)
        return (text(key),) if key[1] and bool(key[0]) == self._scope.binding.resource.namespaced else ()

    def placement(self, key: Key) -> Placement | None:
        return cast(Placement | None, self._cache.get(self._scope.placement, key))

    def placements(self) -> Sequence[Placement]:
        return cast(Sequence[Placement], self._cache.list(self._scope.placement))

    def binding(self, key: Key) -> Binding | None:
        return cast(Binding | None, self._cache.get(self._scope.binding, key))

    def bindings(self, placement: Key) -> Sequence[Binding]:
        return self._cache.by_index(self._scope.binding, _BY_PLACEMENT, text(placement))

    def snapshot(self, key: Key) -> Snapshot | None:
        return cast(Snapshot | None, self._cache.get(self._scope.snapshot, key))

    def snapshots(self, placement: Key) -> Sequence[Snapshot]:
        """Masters and parts of all resource snapshots."""
        return self._cache.by_index(self._scope.snapshot, _BY_PLACEMENT, text(placement))

    def policy_snapshots(self, placement: Key) -> Sequence[PolicySnapshot]:
        return self._cache.by_index(self._scope.policy_snapshot, _BY_PLACEMENT, text(placement))

    def latest_policy(self, placement: Key) -> PolicySnapshot | None:
        """The policy snapshot that holds."""
        marked = [
            snapshot
            for snapshot in self.policy_snapshots(placement)
            if snapshot.metadata.labels.get(names.IS_LATEST_SNAPSHOT) == "true"
        ]
        return max(marked, key=lambda snapshot: int(snapshot.metadata.labels[names.POLICY_INDEX]), default=None)

    def run(self, key: Key) -> Run | None:
        return cast(Run | None, self._cache.get(self._scope.run, key))

    def runs(self, placement: Key) -> Sequence[Run]:
        return self._cache.by_index(self._scope.run, _BY_PLACEMENT, text(placement))

    def strategy(self, key: Key) -> Strategy | None:
        return cast(Strategy | None, self._cache.get(self._scope.strategy, key))

    def approvals(self, run: Key) -> Sequence[Approval]:
        return self._cache.by_index(self._scope.approval, _BY_RUN, text(run))

    def works(self, binding: Key) -> Sequence[Work]:
        return self._cache.by_index(Work, f"{_BY_BINDING}-{self._scope.name}", text(binding))


def _placement_of(run: Run) -> Key:
    return run.metadata.namespace, run.spec.placement_name
