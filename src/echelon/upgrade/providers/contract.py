"""What a provider is: whoever can tell what a member consists of and bring it to another version.

A provider speaks for one kind of platform. It keeps nothing: what it is told comes from the hub, what
it tells comes from the platform, so any number of hubs may start, stop and crash around it. Its
methods raise ``ProviderError``, whose code programs can act upon, and nothing else that is foreseen.

An upgrade goes ``start``, then ``poll`` or ``watch`` until the progress has ended. The caller keeps the
handle that ``start`` gives. Before that it notes that it is about to start; after a crash in between
it calls ``start`` again with the same key, and the platform does the work once.

A provider does not try again by itself: what failed and may succeed later it says to be retryable, and
after what time if the platform says so. The caller has one back-off for all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct

from echelon.api.fields import Time, Value
from echelon.upgrade.catalogue import Release
from echelon.upgrade.versions import ImageVersion


class Code(StrEnum):
    """Why something fails or has to wait, for programs."""

    QUOTA = "Quota"
    CAPACITY = "Capacity"
    AUTH = "Auth"
    NETWORK = "Network"
    PDB_BLOCKED = "PodDisruptionBudgetBlocked"
    INVALID_VERSION = "InvalidVersion"
    VERSION_NOT_AVAILABLE = "KubernetesVersionNotAvailable"
    IMAGE_NOT_AVAILABLE = "NodeImageVersionNotAvailable"
    DEPRECATED_API = "DeprecatedApi"
    CONFLICT = "OperationInProgress"
    THROTTLED = "Throttled"
    STOPPED = "ClusterStopped"
    WINDOW_CLOSED = "MaintenanceWindowClosed"
    NODE_NOT_READY = "NodeNotReady"
    TIMEOUT = "Timeout"
    NOT_FOUND = "NotFound"
    UNSUPPORTED = "Unsupported"
    ABORTED = "Aborted"
    UNKNOWN = "Unknown"


class ProviderError(Exception):
    """A call of a provider failed.

    ``retryable``: the same call may succeed later, without anybody's doing. ``retry_after``: not before so many
    seconds have passed.
    """

    def __init__(self, code: Code, message: str, *, retryable: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after


class Member(Struct, frozen=True, kw_only=True):
    """The cluster that is meant: its name in the fleet and on its platform."""

    name: str
    cluster_resource_id: str


# -- what a member consists of ------------------------------------------------------------------


class NodePool(Struct, frozen=True, kw_only=True):
    """Nodes that are upgraded alike. Version and image are the oldest of its nodes."""

    name: str
    count: int
    kubernetes_version: str
    node_image: str = ""


class Observation(Struct, frozen=True, kw_only=True):
    """A member as its platform has it. ``busy`` is the handle of an operation that is under way, if there is one."""

    region: str = ""
    control_plane_version: str
    node_pools: tuple[NodePool, ...] = ()
    running: bool = True
    long_term_support: bool = False
    busy: str = ""


# -- what is wanted, and what becomes of it -----------------------------------------------------


class Operation(Value, frozen=True, kw_only=True):
    """What the platform is to do. What is None, or not named, stays.

    The control plane goes first. Nodes go to ``node_version`` and, by family, to the images named.
    Whatever is there already is passed over.
    """

    control_plane_version: str | None = None
    node_version: str | None = None
    node_images: tuple[str, ...] = ()


Severity = Literal["Warning", "Error"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something that a platform has to say before an upgrade. An Error stands in its way.

    ``not_before``: it passes by itself then. ``retryable``: it may pass.
    """

    severity: Severity
    code: Code
    message: str
    retryable: bool = False
    not_before: datetime | None = None


ProgressState = Literal["Queued", "Running", "Succeeded", "Failed", "Aborted"]
ENDED: frozenset[ProgressState] = frozenset({"Succeeded", "Failed", "Aborted"})


class Progress(Value, frozen=True, kw_only=True):
    """How far an operation is. ``code`` and ``message`` tell why it failed, or what it is blocked by.

    ``changed`` is when the platform last got on with it; None if the platform does not say. ``handle``, if
    there is one, is to be used from now on.
    """

    state: ProgressState
    message: str = ""
    code: Code | None = None
    retryable: bool = False
    nodes_done: int = 0
    nodes_total: int = 0
    changed: Time | None = None
    handle: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class Provider(Protocol):
    """One platform. Each method may raise ``ProviderError``."""

    @property
    def watches(self) -> bool:
        """Whether ``watch`` tells of changes; a platform that cannot is asked again and again."""

    async def observe(self, member: Member) -> Observation:
        """What the member consists of now."""

    async def versions(self, member: Member, region: str) -> Sequence[Release] | None:
        """The Kubernetes versions that the platform offers the member; None when it has no such list."""

    async def node_images(self, member: Member, region: str) -> Sequence[ImageVersion] | None:
        """The node images that the platform offers the member; None when it has no such list."""

    async def preflight(self, member: Member, operation: Operation) -> Sequence[Finding]:
        """What the platform has to say about an operation before it is started."""

    async def start(self, member: Member, operation: Operation, key: str) -> str:
        """Start an operation; gives its handle.

        With a key that was used before, nothing is started: the handle is that of the first call.
        """

    async def poll(self, member: Member, handle: str) -> Progress:
        """How far an operation is."""

    def watch(self, member: Member, handle: str) -> AsyncIterator[Progress]:
        """How far an operation is, and again each time that has changed, until it has ended."""

    async def abort(self, member: Member, handle: str) -> bool:
        """Call an operation off that has not begun; False when it is too late for that."""
