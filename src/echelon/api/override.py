"""Overrides: how a placed object differs from member to member.

An override is snapshotted when it changes; bindings and runs name snapshots, so that a member gets
what was in force when its update was decided. A ClusterResourceOverride is for cluster-scoped
objects (a Namespace stands for all in it), a ResourceOverride for objects of its own namespace.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from echelon.api.fields import Field, Rule, Value
from echelon.api.meta import KubeObject, Resource
from echelon.api.placement import GROUP, ResourceSelector
from echelon.api.policy import ClusterSelector

OverrideType = Literal["JSONPatch", "Delete"]
PlacementScope = Literal["Cluster", "Namespaced"]


class PlacementRef(Value, frozen=True, kw_only=True):
    """The placement that an override is for."""

    name: Annotated[str, Field("Name of the placement.")]
    scope: Annotated[
        PlacementScope, Field("Cluster for a ClusterResourcePlacement, Namespaced for a ResourcePlacement.")
    ] = "Cluster"


PATH_RULES = (
    Rule(
        "self.startsWith('/') && !self.endsWith('/') && !self.contains('//')",
        "path must start with / and have no empty segment",
    ),
    Rule(
        "!(self in ['/kind', '/apiVersion']) && !self.startsWith('/kind/') && !self.startsWith('/apiVersion/')",
        "cannot override typeMeta fields",
    ),
    Rule(
        "self != '/metadata' && (!self.startsWith('/metadata/')"
        " || self == '/metadata/labels' || self.startsWith('/metadata/labels/')"
        " || self == '/metadata/annotations' || self.startsWith('/metadata/annotations/'))",
        "cannot override metadata fields except labels and annotations",
    ),
    Rule("self != '/status' && !self.startsWith('/status/')", "cannot override status fields"),
)


class JSONPatchOverride(Value, frozen=True, kw_only=True):
    """One operation of a JSON patch (RFC 6902)."""

    operator: Annotated[Literal["add", "remove", "replace"], Field("What to do.")] = msgspec.field(name="op")
    path: Annotated[
        str,
        Field(
            "JSON pointer to the field; not apiVersion, kind, status, nor metadata beyond labels and annotations.",
            max_length=1024,
            rules=PATH_RULES,
        ),
    ]
    value: Annotated[
        Any,
        Field(
            "The new value, any JSON; none for remove. In texts, ${MEMBER-CLUSTER-NAME} stands for the name of the "
            "member and ${MEMBER-CLUSTER-LABEL-KEY-x} for the value of its label x."
        ),
    ] = msgspec.UNSET


class OverrideRule(Value, frozen=True, kw_only=True):
    """What is different on some members."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.overrideType != 'Delete' || !has(self.jsonPatchOverrides)",
            "jsonPatchOverrides cannot be set when overrideType is Delete",
        ),
        Rule(
            "!has(self.clusterSelector) || self.clusterSelector.clusterSelectorTerms.all(t,"
            " !has(t.propertySelector) && !has(t.propertySorter))",
            "only labelSelector is supported in the clusterSelector of an override",
        ),
        Rule(
            "!has(self.clusterSelector) || self.clusterSelector.clusterSelectorTerms.all(t, has(t.labelSelector))",
            "labelSelector is required in each term of the clusterSelector of an override",
        ),
        Rule(
            "self.overrideType == 'Delete' || has(self.jsonPatchOverrides)",
            "jsonPatchOverrides cannot be empty when overrideType is JSONPatch",
        ),
    )

    cluster_selector: Annotated[
        ClusterSelector | None,
        Field("The members, by label. A selector without terms takes all members, a missing selector takes none."),
    ] = None
    override_type: Annotated[OverrideType, Field("JSONPatch changes the object, Delete keeps it off the member.")] = (
        "JSONPatch"
    )
    json_patch_overrides: Annotated[
        tuple[JSONPatchOverride, ...],
        Field("The operations of a JSONPatch, in order.", min_items=1, max_items=20),
    ] = ()


class OverridePolicy(Value, frozen=True, kw_only=True):
    """The rules of an override."""

    override_rules: Annotated[
        tuple[OverrideRule, ...], Field("The rules, applied in order.", min_items=1, max_items=20)
    ]


PLACEMENT_IMMUTABLE = Rule(
    "has(self.placement) == has(oldSelf.placement) && (!has(self.placement) || self.placement == oldSelf.placement)",
    "The placement field is immutable",
)
PLACEMENT = Field("The placement that the override is for; without one it is for every placement of the objects.")
POLICY = Field("What is different on which members.")


class ClusterResourceOverrideSpec(Value, frozen=True, kw_only=True):
    """Which objects are different where."""

    rules: ClassVar[tuple[Rule, ...]] = (PLACEMENT_IMMUTABLE,)

    placement: Annotated[PlacementRef | None, PLACEMENT] = None
    cluster_resource_selectors: Annotated[
        tuple[ResourceSelector, ...],
        Field(
            "The objects, cluster-scoped, by name.",
            min_items=1,
            max_items=20,
            rules=(
                Rule(
                    "self.all(s, has(s.name) && s.name != '' && !has(s.labelSelector))",
                    "a clusterResourceSelector must select by name (not by label)",
                ),
                Rule(
                    "self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && a.name == b.name"
                    " && a.kind == b.kind && a.group == b.group))",
                    "each resource may be selected once",
                ),
            ),
        ),
    ]
    policy: Annotated[OverridePolicy, POLICY]


class NamedResourceSelector(Value, frozen=True, kw_only=True):
    """Selects one object by its name."""

    group: Annotated[str, Field("API group of the object; empty for the core group.", max_length=253)]
    version: Annotated[str, Field("API version of the object.", max_length=63)]
    kind: Annotated[str, Field("Kind of the object.", max_length=63)]
    name: Annotated[str, Field("Name of the object.", min_length=1, max_length=253)]


class ResourceOverrideSpec(Value, frozen=True, kw_only=True):
    """Which objects are different where."""

    rules: ClassVar[tuple[Rule, ...]] = (PLACEMENT_IMMUTABLE,)

    placement: Annotated[PlacementRef | None, PLACEMENT] = None
    resource_selectors: Annotated[
        tuple[NamedResourceSelector, ...],
        Field(
            "The objects, of the namespace of the override.",
            min_items=1,
            max_items=20,
            rules=(
                Rule(
                    "self.all(a, self.exists_one(b, a.name == b.name && a.kind == b.kind && a.group == b.group))",
                    "each resource may be selected once",
                ),
            ),
        ),
    ]
    policy: Annotated[OverridePolicy, POLICY]


class ClusterResourceOverride(KubeObject, frozen=True, kw_only=True):
    """Makes cluster-scoped objects, or what is in a namespace, different on some members."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceoverrides", "ClusterResourceOverride", namespaced=False
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.spec.placement) || self.spec.placement.scope != 'Namespaced'",
            "clusterResourceOverride placement reference cannot be Namespaced scope",
        ),
    )

    spec: Annotated[ClusterResourceOverrideSpec, Field("Which objects are different where.")]


class ResourceOverride(KubeObject, frozen=True, kw_only=True):
    """Makes objects of its namespace different on some members."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "resourceoverrides", "ResourceOverride", namespaced=True)

    spec: Annotated[ResourceOverrideSpec, Field("Which objects are different where.")]


class ClusterResourceOverrideSnapshotSpec(Value, frozen=True, kw_only=True):
    """An override as it was at one moment."""

    override_spec: Annotated[ClusterResourceOverrideSpec, Field("The spec of the override.")]
    override_hash: Annotated[bytes, Field("Hash of the spec.")]


class ResourceOverrideSnapshotSpec(Value, frozen=True, kw_only=True):
    """An override as it was at one moment."""

    override_spec: Annotated[ResourceOverrideSpec, Field("The spec of the override.")]
    override_hash: Annotated[bytes, Field("Hash of the spec.")]


class ClusterResourceOverrideSnapshot(KubeObject, frozen=True, kw_only=True):
    """A ClusterResourceOverride at one moment. Made by the hub; users only read it."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceoverridesnapshots", "ClusterResourceOverrideSnapshot", namespaced=False
    )

    spec: Annotated[ClusterResourceOverrideSnapshotSpec, Field("The override.")]


class ResourceOverrideSnapshot(KubeObject, frozen=True, kw_only=True):
    """A ResourceOverride at one moment. Made by the hub; users only read it."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "resourceoverridesnapshots", "ResourceOverrideSnapshot", namespaced=True
    )

    spec: Annotated[ResourceOverrideSnapshotSpec, Field("The override.")]
