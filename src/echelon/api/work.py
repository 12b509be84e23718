"""Work: objects for one member, in the member's namespace on the hub, where its agent reads them.

The agent applies the manifests, reports on each in the Work's status, and keeps an AppliedWork of
the same name on the member that owns what it applied. Manifests stay JSON text (see
``fields.Manifest``): work generation copies them from a snapshot unread unless an override touches
them, and only the agent decodes them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec.structs import force_setattr

from echelon.api.fields import NO_MANIFEST, Field, Int64, Manifest, Time, Value
from echelon.api.meta import Condition, KubeObject, Resource
from echelon.api.placement import GROUP, ApplyStrategy, PatchDetail, ReportBackStrategy
from echelon.api.sharing import shared, shared_text


class WorkloadTemplate(Value, frozen=True, kw_only=True):
    """The objects of a Work."""

    manifests: Annotated[tuple[Manifest, ...], Field("The objects to apply, whole.")] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "manifests", tuple(shared_text(manifest) for manifest in self.manifests))


class WorkSpec(Value, frozen=True, kw_only=True):
    """What a member is to have."""

    workload: Annotated[WorkloadTemplate, Field("The objects to apply.")] = WorkloadTemplate()
    apply_strategy: Annotated[ApplyStrategy | None, Field("How the objects are written on the member.")] = None
    report_back_strategy: Annotated[
        ReportBackStrategy | None,
        Field("Whether the status of the objects comes back to the hub.", absent_from=("v1",)),
    ] = None


class WorkResourceIdentifier(Value, frozen=True, kw_only=True):
    """One manifest of a Work and the object that it is."""

    ordinal: Annotated[int, Field("Position in the list of manifests, from 0.")]
    group: Annotated[str, Field("API group of the object; empty for the core group.")] = ""
    version: Annotated[str, Field("API version of the object.")] = ""
    kind: Annotated[str, Field("Kind of the object.")] = ""
    resource: Annotated[str, Field("Plural name by which the kind is served.")] = ""
    namespace: Annotated[str, Field("Namespace of the object; empty when it is cluster-scoped.")] = ""
    name: Annotated[str, Field("Name of the object.")] = ""


class DriftDetails(Value, frozen=True, kw_only=True):
    """How an applied object was changed on the member."""

    observation_time: Annotated[Time, Field("When the drift was last seen.")]
    observed_in_member_cluster_generation: Annotated[
        Int64, Field("Generation of the object on the member when the drift was seen.")
    ]
    first_drifted_observed_time: Annotated[Time, Field("When the drift was first seen.")]
    observed_drifts: Annotated[tuple[PatchDetail, ...], Field("The fields that drifted.")] = ()


class DiffDetails(Value, frozen=True, kw_only=True):
    """How an object of the member differs from the manifest."""

    observation_time: Annotated[Time, Field("When the difference was last seen.")]
    observed_in_member_cluster_generation: Annotated[
        Int64 | None,
        Field("Generation of the object on the member when the difference was seen; none when it is not there."),
    ] = None
    first_diffed_observed_time: Annotated[Time, Field("When the difference was first seen.")]
    observed_diffs: Annotated[tuple[PatchDetail, ...], Field("The fields that differ.")] = ()


class BackReportedStatus(Value, frozen=True, kw_only=True):
    """The status of an object as the member has it."""

    observed_status: Annotated[Manifest, Field("An object of the manifest's kind and name that holds the status.")] = (
        NO_MANIFEST
    )
    observation_time: Annotated[Time, Field("When the status was read.")]


class ManifestCondition(Value, frozen=True, kw_only=True):
    """How one manifest stands on the member."""

    identifier: Annotated[WorkResourceIdentifier, Field("Which manifest this is about.")]
    conditions: Annotated[
        tuple[Condition, ...], Field("Whether the manifest is applied and available, or its differences reported.")
    ]
    drift_details: Annotated[DriftDetails | None, Field("How the object drifted, if it did.")] = None
    diff_details: Annotated[DiffDetails | None, Field("How the object differs, if it does.")] = None
    back_reported_status: Annotated[
        BackReportedStatus | None,
        Field("The status of the object, when it is reported back.", absent_from=("v1",)),
    ] = None

    def __post_init__(self) -> None:
        force_setattr(self, "identifier", shared(self.identifier))
        force_setattr(self, "conditions", shared(tuple(self.conditions)))


class WorkStatus(Value, frozen=True, kw_only=True):
    """How the objects stand on the member."""

    conditions: Annotated[
        tuple[Condition, ...], Field("Whether all manifests are applied and available, or their differences reported.")
    ]
    manifest_conditions: Annotated[tuple[ManifestCondition, ...], Field("How each manifest stands.")] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "conditions", shared(tuple(self.conditions)))


class Work(KubeObject, frozen=True, kw_only=True):
    """Objects that one member is to have. Made by the hub, carried out by the member's agent."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "works", "Work", namespaced=True)

    spec: Annotated[WorkSpec, Field("What the member is to have.")] = WorkSpec()
    status: Annotated[WorkStatus, Field("How the objects stand on the member.")] = WorkStatus(conditions=())


class AppliedResourceMeta(WorkResourceIdentifier, frozen=True, kw_only=True):
    """An object that the agent applied."""

    uid: Annotated[str, Field("UID of the object on the member.")] = ""


class AppliedWorkSpec(Value, frozen=True, kw_only=True):
    """Which Work this stands for."""

    work_name: Annotated[str, Field("Name of the Work on the hub.")]
    work_namespace: Annotated[str, Field("Namespace of the Work on the hub.")]


class AppliedWorkStatus(Value, frozen=True, kw_only=True):
    """What was applied."""

    applied_resources: Annotated[
        tuple[AppliedResourceMeta, ...], Field("The objects that were applied and are to go with the Work.")
    ] = ()


class AppliedWork(KubeObject, frozen=True, kw_only=True):
    """Stands for a Work on the member and owns what was applied for it. Deleting it removes those objects."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "appliedworks", "AppliedWork", namespaced=False)

    spec: Annotated[AppliedWorkSpec, Field("Which Work this stands for.")]
    status: Annotated[AppliedWorkStatus, Field("What was applied.")] = AppliedWorkStatus()
