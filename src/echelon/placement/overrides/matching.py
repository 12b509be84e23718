"""Which objects, placements and members an override is for.

Pure. The two kinds of overrides are one value here. An override hits the objects that it names; one
that names a Namespace hits all that is in it too, unless it says ``NamespaceOnly``. Objects are told
apart by group, kind, namespace and name: the version in which an override names one does not matter,
as the hub serves the same object in all versions.

A rule is for the members that one term of its ``clusterSelector`` matches by label. A selector without
terms matches every member; without a selector, or in a term without labels to match, none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from echelon.api import names
from echelon.api.meta import KubeObject
from echelon.api.override import (
    ClusterResourceOverride,
    ClusterResourceOverrideSnapshot,
    ClusterResourceOverrideSpec,
    OverrideRule,
    PlacementRef,
    ResourceOverride,
    ResourceOverrideSnapshot,
    ResourceOverrideSpec,
)
from echelon.api.placement import GROUP, NamespacedName, ResourceIdentifier
from echelon.kube.kinds import Key

ENVELOPES = frozenset({"ClusterResourceEnvelope", "ResourceEnvelope"})


class Identity(NamedTuple):
    """What tells an object from all others."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of an override of either kind; ``namespace`` is empty for a ClusterResourceOverride.

    ``parent`` is the name of the override, ``objects`` are those that it names, ``namespaces`` those of
    which it takes all content.
    """

    kind: str
    name: str
    parent: str
    namespace: str = ""
    placement: PlacementRef | None = None
    objects: frozenset[Identity]
    namespaces: frozenset[str] = frozenset()
    rules: Sequence[OverrideRule]

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {where}"


class Chosen(msgspec.Struct, frozen=True):
    """The snapshots of overrides that a member gets, as bindings and runs list them: by name."""

    cluster: tuple[str, ...] = ()
    namespaced: tuple[NamespacedName, ...] = ()


NOTHING = Chosen()


def from_cluster_snapshot(snapshot: ClusterResourceOverrideSnapshot) -> Override:
    """A ClusterResourceOverride as it was."""
    return _cluster_override(snapshot, parent_of(snapshot), snapshot.spec.override_spec)


def from_snapshot(snapshot: ResourceOverrideSnapshot) -> Override:
    """A ResourceOverride as it was."""
    return _override(snapshot, parent_of(snapshot), snapshot.spec.override_spec)


def from_override(override: ClusterResourceOverride | ResourceOverride) -> Override:
    """An override as it is."""
    if isinstance(override, ClusterResourceOverride):
        return _cluster_override(override, override.metadata.name, override.spec)
    return _override(override, override.metadata.name, override.spec)


def _cluster_override(source: KubeObject, parent: str, spec: ClusterResourceOverrideSpec) -> Override:
    whole = {
        selector.name
        for selector in spec.cluster_resource_selectors
        if (selector.group, selector.kind) == ("", "Namespace") and selector.selection_scope != "NamespaceOnly"
    }
    return Override(
        kind=source.resource.kind,
        name=source.metadata.name,
        parent=parent,
        placement=spec.placement,
        objects=frozenset(Identity(s.group, s.kind, "", s.name) for s in spec.cluster_resource_selectors),
        namespaces=frozenset(whole),
        rules=spec.policy.override_rules,
    )


def _override(source: KubeObject, parent: str, spec: ResourceOverrideSpec) -> Override:
    namespace = source.metadata.namespace
    return Override(
        kind=source.resource.kind,
        name=source.metadata.name,
        parent=parent,
        namespace=namespace,
        placement=spec.placement,
        objects=frozenset(Identity(s.group, s.kind, namespace, s.name) for s in spec.resource_selectors),
        rules=spec.policy.override_rules,
    )


def parent_of(snapshot: ClusterResourceOverrideSnapshot | ResourceOverrideSnapshot) -> str:
    """The name of the override that a snapshot is of."""
    return snapshot.metadata.labels.get(names.PARENT_OVERRIDE, "")


def identity_of(identifier: ResourceIdentifier) -> Identity:
    """The identity of an object that is named with its version."""
    return Identity(identifier.group, identifier.kind, identifier.namespace, identifier.name)


def is_envelope(identity: Identity) -> bool:
    """Whether an object only wraps what is to be placed."""
    return identity.group == GROUP and identity.kind in ENVELOPES


def concerns(override: Override, placement: Key) -> bool:
    """Whether an override is meant for a placement: for that one, or for all."""
    reference = override.placement
    if reference is None:
        return True
    if reference.scope == "Namespaced":
        return bool(override.namespace) and (override.namespace, reference.name) == placement
    return ("", reference.name) == placement


def hits(override: Override, identity: Identity) -> bool:
    """Whether an override is for an object. An envelope has to be named: what it wraps is what is in a namespace."""
    if identity in override.objects:
        return True
    return identity.namespace in override.namespaces and not is_envelope(identity)


def is_for(rule: OverrideRule, labels: Mapping[str, str]) -> bool:
    """Whether a rule is for a member with these labels."""
    selector = rule.cluster_selector
    if selector is None:
        return False
    terms = selector.cluster_selector_terms
    return not terms or any(t.label_selector is not None and t.label_selector.matches(labels) for t in terms)


def choose(overrides: Iterable[Override], labels: Mapping[str, str]) -> Chosen:
    """Of overrides that hit what is placed, those with a rule for a member with these labels."""
    found = [override for override in overrides if any(is_for(rule, labels) for rule in override.rules)]
    cluster = sorted(override.name for override in found if not override.namespace)
    namespaced = sorted((override.namespace, override.name) for override in found if override.namespace)
    return Chosen(
        tuple(cluster), tuple(NamespacedName(name=name, namespace=namespace) for namespace, name in namespaced)
    )
