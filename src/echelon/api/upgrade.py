"""What update runs rest on: the upgrade of one member, the versions there are, and automatic runs.

A run asks for one ClusterUpgrade a member, in the member's namespace, which a provider brings to its
end: built into the hub, or anything that watches there. The ReleaseCatalog says which Kubernetes
versions and node images exist; an AutoUpgradeProfile makes and starts runs when it grows.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from echelon.api.fields import Field, Int32, Int64, Rule, Time, Value
from echelon.api.fleet import (
    CONDITIONS,
    GROUP,
    NAME_RULE,
    VERSION,
    VERSION_PATTERN,
    ClusterUpgradeTarget,
    ErrorDetail,
    NodeImageVersion,
)
from echelon.api.meta import Condition, KubeObject, Resource

ClusterUpgradeState = Literal["Pending", "Running", "Skipped", "Failed", "Completed"]
UpgradeChannel = Literal["Stable", "Rapid", "NodeImage", "TargetKubernetesVersion"]
TriggerStatus = Literal["Succeeded", "Failed"]


class ClusterUpgradeSpec(Value, frozen=True, kw_only=True):
    """What is wanted of one member."""

    upgrade: Annotated[ClusterUpgradeTarget, Field("What is upgraded, and to what.")]
    node_image_versions: Annotated[
        tuple[NodeImageVersion, ...],
        Field("The node images to go to, one a family; none takes the newest that there is when it starts."),
    ] = ()
    cluster_resource_id: Annotated[
        str, Field("What the member is on its platform; its scheme says which provider is to act.")
    ] = ""
    update_run: Annotated[str, Field("The run that wants it.")] = ""
    attempt: Annotated[Int64, Field("The attempt of that run; a provider acts once for each.", minimum=0)] = 0


class ClusterUpgradeStatus(Value, frozen=True, kw_only=True):
    """What the provider made of it."""

    state: Annotated[
        ClusterUpgradeState,
        Field("Pending while something stands in the way that can pass; Skipped when there was nothing to do."),
    ] = "Pending"
    observed_generation: Annotated[Int64, Field("Generation of the upgrade that this status is about.")] = 0
    operation_id: Annotated[str, Field("The operation of the platform; kept before it is first asked about.")] = ""
    message: Annotated[str, Field("What it waits for, or what was done or left.")] = ""
    error: Annotated[ErrorDetail | None, Field("What went wrong or stands in the way.")] = None
    not_before: Annotated[
        Time | None, Field("When a Pending upgrade can go on at the earliest: the next opening of a window.")
    ] = None
    start_time: Annotated[Time | None, Field("When the platform began.")] = None
    completed_time: Annotated[Time | None, Field("When it ended.")] = None
    nodes_done: Annotated[Int32, Field("How many nodes are upgraded.")] = 0
    nodes_total: Annotated[Int32, Field("How many nodes there are to upgrade.")] = 0
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


class ClusterUpgrade(KubeObject, frozen=True, kw_only=True):
    """The upgrade of one member, in the member's namespace. An update run asks for it, a provider carries it out."""

    resource: ClassVar[Resource] = Resource(GROUP, VERSION, "clusterupgrades", "ClusterUpgrade", namespaced=True)

    spec: Annotated[ClusterUpgradeSpec, Field("What is wanted of the member.")]
    status: Annotated[ClusterUpgradeStatus, Field("What the provider made of it.")] = ClusterUpgradeStatus()


# -- automatic runs -----------------------------------------------------------------------------


class AutoUpgradeImageSelection(Value, frozen=True, kw_only=True):
    """Which node images automatic runs bring."""

    type: Annotated[
        Literal["Latest", "Consistent"],
        Field("Latest: the newest where each member is. Consistent: the newest that all members can have."),
    ]


class AutoUpgradeProfileSpec(Value, frozen=True, kw_only=True):
    """When runs are made and what they do."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.channel == 'TargetKubernetesVersion') == has(self.targetKubernetesVersion)",
            "targetKubernetesVersion must be set when channel is TargetKubernetesVersion, and only then",
        ),
        Rule(
            "!has(self.longTermSupport) || !self.longTermSupport || self.channel == 'TargetKubernetesVersion'",
            "longTermSupport can only be true when channel is TargetKubernetesVersion",
        ),
        Rule(
            "self.channel != 'NodeImage' || !has(self.nodeImageSelection)",
            "nodeImageSelection must not be set when channel is NodeImage",
        ),
    )

    channel: Annotated[
        UpgradeChannel,
        Field(
            "Rapid: the newest patch of the newest minor version. Stable: that of the minor version before. "
            "TargetKubernetesVersion: that of the minor version named. NodeImage: new node images only."
        ),
    ]
    update_strategy_name: Annotated[
        str | None, Field("The UpdateStrategy of the runs; without it, all members go one by one.", max_length=50)
    ] = None
    node_image_selection: Annotated[
        AutoUpgradeImageSelection | None, Field("Which node images the runs bring; without it, the latest.")
    ] = None
    target_kubernetes_version: Annotated[
        str | None,
        Field("The minor version to stay on, such as 1.31.", max_length=16, pattern=r"^[0-9]+\.[0-9]+$"),
    ] = None
    long_term_support: Annotated[
        bool, Field("Whether to take patches of a minor version that only has long-term support.")
    ] = False
    disabled: Annotated[bool, Field("Whether to make no more runs; those there are go on.")] = False


class AutoUpgradeProfileStatus(Value, frozen=True, kw_only=True):
    """What the profile last did."""

    observed_generation: Annotated[Int64, Field("Generation of the profile that this status is about.")] = 0
    last_triggered_at: Annotated[Time | None, Field("When a run was last to be made.")] = None
    last_trigger_status: Annotated[TriggerStatus | None, Field("Whether it was made.")] = None
    last_trigger_error: Annotated[ErrorDetail | None, Field("Why it was not made.")] = None
    last_trigger_message: Annotated[str, Field("What was done, or why nothing.")] = ""
    last_trigger_upgrade_versions: Annotated[
        tuple[str, ...], Field("The Kubernetes versions or node images that it goes to.")
    ] = ()
    last_update_run: Annotated[str, Field("The run that was made last.")] = ""
    baseline_versions: Annotated[
        tuple[str, ...] | None,
        Field("What the channel held when the profile was first looked at; runs are made for what differs from it."),
    ] = None
    conditions: Annotated[tuple[Condition, ...], CONDITIONS] = ()


class AutoUpgradeProfile(KubeObject, frozen=True, kw_only=True):
    """Makes and starts an update run whenever a new version appears in its channel."""

    resource: ClassVar[Resource] = Resource(
        GROUP, VERSION, "autoupgradeprofiles", "AutoUpgradeProfile", namespaced=False
    )
    rules: ClassVar[tuple[Rule, ...]] = (NAME_RULE,)

    spec: Annotated[AutoUpgradeProfileSpec, Field("When runs are made and what they do.")]
    status: Annotated[AutoUpgradeProfileStatus, Field("What the profile last did.")] = AutoUpgradeProfileStatus()


# -- what there is to upgrade to ----------------------------------------------------------------

REGIONS = Field("The regions that have it; none means all.")
PUBLISHED = Field("When it was published.")


class KubernetesRelease(Value, frozen=True, kw_only=True):
    """One Kubernetes version."""

    version: Annotated[str, Field("The version, such as 1.31.1.", max_length=64, pattern=VERSION_PATTERN)]
    regions: Annotated[tuple[str, ...], REGIONS] = ()
    published: Annotated[Time | None, PUBLISHED] = None
    preview: Annotated[bool, Field("Whether it is a preview; automatic runs leave those alone.")] = False
    long_term_support: Annotated[bool, Field("Whether it only has long-term support.")] = False
    end_of_support: Annotated[Time | None, Field("When its support ends.")] = None


class NodeImage(Value, frozen=True, kw_only=True):
    """One node image."""

    family: Annotated[str, Field("The family, such as AKSUbuntu-2204gen2containerd.", max_length=128)]
    version: Annotated[str, Field("The version within the family, such as 202410.15.0.", max_length=128)]
    regions: Annotated[tuple[str, ...], REGIONS] = ()
    published: Annotated[Time | None, PUBLISHED] = None

    @property
    def full_version(self) -> str:
        """Family and version, as runs and members name an image."""
        return f"{self.family}-{self.version}"


class ReleaseCatalogSpec(Value, frozen=True, kw_only=True):
    """The versions and images that exist."""

    kubernetes_versions: Annotated[tuple[KubernetesRelease, ...], Field("The Kubernetes versions.")] = ()
    node_images: Annotated[tuple[NodeImage, ...], Field("The node images.")] = ()


class ReleaseCatalog(KubeObject, frozen=True, kw_only=True):
    """Which Kubernetes versions and node images exist, where and since when."""

    resource: ClassVar[Resource] = Resource(GROUP, VERSION, "releasecatalogs", "ReleaseCatalog", namespaced=False)

    spec: Annotated[ReleaseCatalogSpec, Field("The versions and images that exist.")]
