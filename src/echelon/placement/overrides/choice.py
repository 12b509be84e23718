"""Which snapshots of overrides the members of a placement get, as things are on the hub.

What is read is the shared cache. An override counts by its newest snapshot. While the newest snapshot
of an override does not say what the override says, it is about to be made: whoever is to choose waits
for that moment, so that an override written before a placement or a run is never missed by it. Only an
override that hits what is placed is waited for.

What overrides make of an object also depends on labels of the member. Whoever gives a binding its overrides
notes on it the labels that these look at, as they are: they are what the Works are made for, until the next
rollout notes others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import orjson

from echelon.api import names
from echelon.api.binding import ResourceBindingSpec
from echelon.api.cluster import MemberCluster
from echelon.api.meta import KubeObject
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    ResourceOverride,
    ResourceOverrideSnapshot,
)
from echelon.api.staged import ClusterUpdatingStatus, StageUpdatingStatus, UpdateRunStatus
from echelon.kube.cache import SharedCache
from echelon.kube.kinds import Key
from echelon.placement.envelopes import BadEnvelope, opened
from echelon.placement.identifiers import identifiers_of_manifests
from echelon.placement.overrides.matching import (
    NOTHING,
    Chosen,
    Identity,
    Override,
    choose,
    concerns,
    from_cluster_snapshot,
    from_override,
    from_snapshot,
    hits,
    identity_of,
    is_envelope,
)
from echelon.placement.overrides.patching import label_keys
from echelon.placement.overrides.snapshots import (
    OverrideObject,
    OverrideSnapshot,
    index_of,
    override_hash,
    parent_key,
)
from echelon.placement.scope import Snapshot

Choice = Callable[[str], Chosen]


class NoSuchSnapshot(LookupError):
    """A snapshot of an override that a binding names is not there; the message is for the user."""


class SnapshotAwaited(Exception):
    """The snapshot of an override is about to be made; which, in words."""


class Overrides:
    """The overrides of the hub."""

    def __init__(self, cache: SharedCache) -> None:
        self._cache = cache
        cache.informer(ClusterResourceOverride)
        cache.informer(ResourceOverride)
        cache.informer(ClusterResourceOverrideSnapshot)
        cache.informer(ResourceOverrideSnapshot)

    def exist(self) -> bool:
        """Whether there is an override on the hub at all."""
        return bool(self._cache.list(ClusterResourceOverrideSnapshot) or self._cache.list(ResourceOverrideSnapshot))

    def choice(self, placement: Key, parts: Sequence[Snapshot]) -> Choice:
        """By the name of a member, what it gets of the overrides that hit the content of a resource snapshot.

        Raises:
            SnapshotAwaited: the snapshot of one of these overrides is still to be made.
        """
        newest = self._newest()
        pending = {
            override.key: override for override in self._all() if _is_pending(override, newest.get(override.key))
        }
        values = [_value(found) for found in newest.values()] + [from_override(found) for found in pending.values()]
        concerned = [override for override in values if concerns(override, placement)]
        if not concerned:
            return lambda _: NOTHING
        identities = list(_identities(parts))
        hitting = [override for override in concerned if any(hits(override, identity) for identity in identities)]
        for override in hitting:
            if (override.namespace, override.parent) in pending:
                where = "/".join(part for part in (override.namespace, override.parent) if part)
                raise SnapshotAwaited(
                    f"the snapshot of {override.kind.removesuffix('Snapshot')} `{where}` is not made yet"
                )
        return lambda member: choose(hitting, self.labels(member))

    def _all(self) -> list[OverrideObject]:
        return [*self._cache.list(ClusterResourceOverride), *self._cache.list(ResourceOverride)]

    def _newest(self) -> dict[Key, OverrideSnapshot]:
        """The newest snapshot of each override, by the key of the override."""
        newest: dict[Key, OverrideSnapshot] = {}
        snapshots: list[OverrideSnapshot] = [
            *self._cache.list(ClusterResourceOverrideSnapshot),
            *self._cache.list(ResourceOverrideSnapshot),
        ]
        for snapshot in snapshots:
            key = parent_key(snapshot)
            if key not in newest or index_of(newest[key]) < index_of(snapshot):
                newest[key] = snapshot
        return newest

    def labels(self, member: str) -> Mapping[str, str]:
        """The labels of a member as they are."""
        found = self._cache.get(MemberCluster, member)
        return {} if found is None else found.metadata.labels

    def labels_of_note(self, binding: ResourceBindingSpec) -> str | None:
        """The labels of a binding's member that the overrides which it names look at, as its annotation has them.

        None when they look at none, or one of them is gone.
        """
        try:
            keys = label_keys(self.named(binding))
        except NoSuchSnapshot:
            return None
        if not keys:
            return None
        labels = self.labels(binding.target_cluster)
        return labels_text({key: value for key, value in labels.items() if key in keys})

    def named(self, binding: ResourceBindingSpec) -> list[Override]:
        """The overrides that a binding names, in the order in which they apply.

        Raises:
            NoSuchSnapshot: one of them is gone.
        """
        found: list[Override] = []
        for name in binding.cluster_resource_override_snapshots:
            cluster = self._cache.get(ClusterResourceOverrideSnapshot, name)
            if cluster is None:
                raise NoSuchSnapshot(f"ClusterResourceOverrideSnapshot {name}, which the binding names, is gone")
            found.append(from_cluster_snapshot(cluster))
        for reference in binding.resource_override_snapshots:
            snapshot = self._cache.get(ResourceOverrideSnapshot, (reference.namespace, reference.name))
            if snapshot is None:
                where = f"{reference.namespace}/{reference.name}"
                raise NoSuchSnapshot(f"ResourceOverrideSnapshot {where}, which the binding names, is gone")
            found.append(from_snapshot(snapshot))
        return found


def labels_text(labels: Mapping[str, str]) -> str:
    """Labels as an annotation holds them."""
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def labels_noted(obj: KubeObject) -> Mapping[str, str] | None:
    """The labels of a member that an object was made for; None when it says nothing of them."""
    text = obj.metadata.annotations.get(names.OVERRIDE_LABELS)
    try:
        return None if text is None else msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        return None  # somebody wrote something else there: made anew, it says them again


def _is_pending(override: OverrideObject, newest: OverrideSnapshot | None) -> bool:
    """Whether a snapshot of an override as it is now is still to be made."""
    if override.metadata.deletion_timestamp is not None:
        return False
    return newest is None or newest.spec.override_hash != override_hash(override)


def _value(snapshot: OverrideSnapshot) -> Override:
    if isinstance(snapshot, ClusterResourceOverrideSnapshot):
        return from_cluster_snapshot(snapshot)
    return from_snapshot(snapshot)


def _identities(parts: Sequence[Snapshot]) -> Iterable[Identity]:
    """All that a resource snapshot brings to members, and the envelopes that it comes in."""
    for part in parts:
        manifests = part.spec.selected_resources
        for identifier, manifest in zip(identifiers_of_manifests(manifests), manifests, strict=True):
            identity = identity_of(identifier)
            yield identity
            if is_envelope(identity):
                try:
                    envelope = opened(manifest)
                except BadEnvelope:
                    continue  # work generation says so on the binding
                yield from (wrapped for wrapped, _ in envelope.objects)


def frozen(status: UpdateRunStatus, choice: Choice) -> UpdateRunStatus:
    """The status of a run that is being initialised, with the overrides that its members are going to get."""

    def cluster(found: ClusterUpdatingStatus) -> ClusterUpdatingStatus:
        chosen = choice(found.cluster_name)
        return msgspec.structs.replace(
            found,
            resource_override_snapshots=chosen.namespaced,
            cluster_resource_override_snapshots=chosen.cluster,
        )

    def stage(found: StageUpdatingStatus) -> StageUpdatingStatus:
        return msgspec.structs.replace(found, clusters=tuple(cluster(each) for each in found.clusters))

    return msgspec.structs.replace(status, stages_status=tuple(stage(each) for each in status.stages_status))
