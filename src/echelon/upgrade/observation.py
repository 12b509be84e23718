"""What the hub shows of a run's members, as facts for the rollout engine.

Pure. A member may be upgraded when nothing stands in the way that can be seen from the hub:

* its maintenance window is open (the engine lets those with an open window go first);
* its region has the Kubernetes version and the node images;
* its control plane is at most one minor version behind;
* no other run is upgrading it.

Until then it is not ready, leaves its place to others, and its status says why. Members that are at their target
already are not needed, those that have left the fleet are out of the run.

A member whose ClusterUpgrade exists is being upgraded, even while its provider waits for something: it is shown as
Pending then and keeps its place, as the provider may begin at any moment. Only when the provider says that nothing
will happen before a certain time, or when the user skips the member, or when the run stops, is a ClusterUpgrade that
has not begun taken back (``withdrawn``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from echelon.api.fleet import ErrorDetail, MemberUpdateStatus, SkipTarget, UpdateRun, UpdateRunStatus
from echelon.api.upgrade import ClusterUpgrade
from echelon.rollout import (
    Facts,
    GateReference,
    Intent,
    Operation,
    Outcome,
    Progress,
    Skip,
    SkipKind,
    State,
    TargetProgress,
    TargetState,
    Unready,
    Window,
)
from echelon.upgrade import images, moments
from echelon.upgrade.intents import attempt_of
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases
from echelon.upgrade.translation import targets_of
from echelon.upgrade.validation import is_automatic, is_too_far
from echelon.upgrade.versions import KubeVersion
from echelon.upgrade.windows import InvalidWindow, parse

POSTPONED = "UpgradePostponed"
VERSION_NOT_AVAILABLE = "KubernetesVersionNotAvailable"
IMAGE_NOT_AVAILABLE = "NodeImageVersionNotAvailable"
VERSION_TOO_FAR = "KubernetesVersionTooFarAhead"
OPERATION_IN_PROGRESS = "OperationInProgress"
INVALID_WINDOW = "InvalidMaintenanceWindow"
NO_NAMESPACE = "MemberNamespaceMissing"
START_FAILED = "UpgradeRequestFailed"

LEFT = "the member has left the fleet"
WAITS_FOR_PROVIDER = "its upgrade was requested and waits for a provider to take it up"

_OUTCOMES = {"Completed": Outcome.SUCCEEDED, "Failed": Outcome.FAILED, "Skipped": Outcome.SKIPPED}
_OVER = frozenset({TargetState.COMPLETED, TargetState.SKIPPED})

WindowOf = Callable[[str, datetime], Window | None]
"""The window that is open at a moment or opens next, from the text of an annotation."""


class Obstacle(NamedTuple):
    """Why a member cannot be upgraded now, and until when if that is known."""

    code: str
    message: str
    until: datetime | None = None

    @property
    def error(self) -> ErrorDetail:
        return ErrorDetail(code=self.code, message=self.message)


class View(Struct, frozen=True, kw_only=True):
    """What is seen of the hub in one pass over a run.

    * ``members`` of the fleet by name.
    * ``upgrades``: of each member the ClusterUpgrade that this run made last.
    * ``rivals``: members that another run is upgrading, and which.
    * ``refused``: members that could not be started in this pass, or whose upgrade it took back, and why.
    """

    members: Mapping[str, Member]
    upgrades: Mapping[str, ClusterUpgrade]
    rivals: Mapping[str, str]
    releases: Releases
    approvals: Mapping[GateReference, datetime]
    refused: Mapping[str, Obstacle] = {}


class Observation(Struct, frozen=True):
    """Facts for the engine; what stands in the way of members, for their status; upgrades to be taken back."""

    facts: Facts
    obstacles: Mapping[str, Obstacle]
    withdrawn: Sequence[ClusterUpgrade] = ()


def observe(
    run: UpdateRun, status: UpdateRunStatus, progress: Progress, view: View, window_of: WindowOf, now: datetime
) -> Observation:
    """The facts of a run, given its status, and its progress in the shape of the plan."""
    return _Observer(run, status, view, window_of, now).observe(progress)


class _Observer:
    """One look at the members of a run; collects what there is to say of them."""

    def __init__(self, run: UpdateRun, status: UpdateRunStatus, view: View, window_of: WindowOf, now: datetime) -> None:
        self.run = run
        self.status = status
        self.view = view
        self.window_of = window_of
        self.now = now
        self.update = run.spec.managed_cluster_update
        text = self.update.upgrade.kubernetes_version
        self.version = None if text is None else KubeVersion.parse(text)
        self.attempt = attempt_of(run)
        self.consistent = self.update.node_image_selection is not None and (
            self.update.node_image_selection.type == "Consistent"
        )
        self.stops = run.spec.state != "Run"  # or because of failures, see ``observe``
        self.skipped = skipped_members(status, run.spec.skips)
        self.operations: dict[str, Operation] = {}
        self.lost: set[str] = set()
        self.left: dict[str, str] = {}
        self.unneeded: dict[str, str] = {}
        self.windows: dict[str, Window] = {}
        self.obstacles: dict[str, Obstacle] = {}
        self.withdrawn: list[ClusterUpgrade] = []

    def observe(self, progress: Progress) -> Observation:
        self.stops |= progress.state is State.STOPPING
        for target, before in zip(targets_of(progress), _members(self.status), strict=True):
            if target.state not in _OVER:
                self._look_at(target, before)
        spec = self.run.spec
        facts = Facts(
            intent=Intent(spec.state),
            attempt=self.attempt,
            operations=self.operations,
            lost=frozenset(self.lost),
            approvals=self.view.approvals,
            skips=frozenset(Skip(SkipKind(skip.type), skip.name) for skip in spec.skips),
            windows=self.windows,
            unready={name: Unready(found.message, found.until) for name, found in self.obstacles.items()},
            unneeded=self.unneeded,
            left=self.left,
        )
        return Observation(facts, self.obstacles, self.withdrawn)

    def _look_at(self, target: TargetProgress, before: MemberUpdateStatus) -> None:
        member = self.view.members.get(target.name)
        if member is None:
            self.left[target.name] = LEFT
            return
        upgrade = self.view.upgrades.get(target.name)
        if upgrade is not None and self._concerns(upgrade, target):
            obstacle = self._withdrawal(member, upgrade)
            if obstacle is None:
                self.operations[target.name] = operation_of(upgrade)
                return
            self.obstacles[target.name] = obstacle
            if upgrade.metadata.deletion_timestamp is None:
                self.withdrawn.append(upgrade)
        if target.state is TargetState.RUNNING and target.observed:
            self.lost.add(target.name)
        if target.state is not TargetState.FAILED and target.name not in self.obstacles:
            self._assess(member, before)

    def _concerns(self, upgrade: ClusterUpgrade, target: TargetProgress) -> bool:
        """Whether an upgrade is the one that a target runs by, or a newer one than it knows of.

        What failed in an attempt before this one is past; how often a target that waits was tried, no status says.
        """
        if target.state is TargetState.RUNNING:
            return upgrade.spec.attempt >= target.attempt
        past = upgrade.status.state == "Failed" and upgrade.spec.attempt < self.attempt
        return upgrade.spec.attempt > target.attempt and not past

    def _withdrawal(self, member: Member, upgrade: ClusterUpgrade) -> Obstacle | None:
        """Why an upgrade is, or is to be, taken back; None while it goes on."""
        if upgrade.metadata.deletion_timestamp is not None and upgrade.status.state not in _OUTCOMES:
            return Obstacle(POSTPONED, "its upgrade request is being taken back")
        if has_begun(upgrade):
            return None
        not_before = moments.read(upgrade.status.not_before)
        if not_before is not None and not_before > self.now:
            return Obstacle(POSTPONED, upgrade.status.message or "its provider cannot begin yet", not_before)
        if self.stops or member.name in self.skipped:
            return Obstacle(POSTPONED, "its upgrade request was taken back")
        return None

    def _assess(self, member: Member, before: MemberUpdateStatus) -> None:
        """What is known of a member whose upgrade has not been asked for."""
        unneeded = self._unneeded(member)
        if unneeded is not None:
            self.unneeded[member.name] = unneeded
            return
        obstacle = next(self._obstacles(member, before), None)
        if obstacle is not None:
            self.obstacles[member.name] = obstacle
        elif text := member.window_for(self.update.upgrade.type):
            window = self.window_of(text, self.now)
            if window is None:
                self.obstacles[member.name] = Obstacle(INVALID_WINDOW, "its maintenance window never opens")
            else:
                self.windows[member.name] = window

    def _unneeded(self, member: Member) -> str | None:
        """Why there is nothing to do for a member, as far as the hub knows."""
        if self.version is not None and is_automatic(self.run) and is_too_far(member, self.version):
            at = member.kubernetes_version
            return f"at {at}, more than one minor version behind {self.version}: no automatic run goes that far"
        settled = self.status.node_image_selection
        if self.consistent and settled is not None and (why := images.lacking(settled, member)) is not None:
            return why
        return self._at_target(member)

    def _at_target(self, member: Member) -> str | None:
        upgrade, settled = self.update.upgrade, self.status.node_image_selection
        if upgrade.type != "NodeImageOnly":
            wanted = self._wanted_version(member)
            current = member.kubernetes_version
            if wanted is None or current is None or not wanted.reached_by(current):
                return None
            if upgrade.type == "ControlPlaneOnly":
                return f"already at Kubernetes {current}"
        wanted_images = images.images_for(self.update, settled, member, self.view.releases)
        newest = {image.family: image for image in wanted_images}
        if not newest or not member.node_images or upgrade.type == "Full":
            return None  # versions of nodes are not known here: the provider says whether there is anything to do
        if all(newest.get(image.family, image) == image for image in member.node_images):
            return "already at its node images"  # of one that is ahead of them, its provider tells what was left alone
        return None

    def _wanted_version(self, member: Member) -> KubeVersion | None:
        return None if self.version is None else self.view.releases.newest(self.version, member.region)

    def _obstacles(self, member: Member, before: MemberUpdateStatus) -> Iterator[Obstacle]:
        """What stands in the way of a member; the first counts."""
        refused = self.view.refused.get(member.name)
        if refused is not None:
            yield refused
        if (postponed := _postponed(before)) is not None and postponed.until and postponed.until > self.now:
            yield postponed
        where = f"in {member.region}" if member.region else "anywhere"
        if self.version is not None:
            if self._wanted_version(member) is None:
                yield Obstacle(VERSION_NOT_AVAILABLE, f"Kubernetes {self.version} is not available {where} yet")
            if is_too_far(member, self.version):
                message = (
                    f"at Kubernetes {member.kubernetes_version}, more than one minor version behind {self.version}"
                )
                yield Obstacle(VERSION_TOO_FAR, message)
        for image in self._settled_images(member):
            if not self.view.releases.has_image(image, member.region):
                yield Obstacle(IMAGE_NOT_AVAILABLE, f"node image {image} is not available {where} yet")
        rival = self.view.rivals.get(member.name)
        if rival is not None:
            yield Obstacle(OPERATION_IN_PROGRESS, f"update run {rival} is upgrading it")
        text = member.window_for(self.update.upgrade.type)
        if text:
            try:
                parse(text)
            except InvalidWindow as error:
                yield Obstacle(INVALID_WINDOW, f"its maintenance window cannot be read: {error}")

    def _settled_images(self, member: Member) -> images.Images:
        settled = self.status.node_image_selection
        if settled is None:
            return ()
        return images.images_for(self.update, settled, member, self.view.releases)


def has_begun(upgrade: ClusterUpgrade) -> bool:
    """Whether anything was done to the cluster, so that the upgrade cannot be taken back."""
    status = upgrade.status
    return status.state != "Pending" or bool(status.operation_id) or status.start_time is not None


def is_held_up(upgrade: ClusterUpgrade) -> bool:
    """Whether a provider has looked at an upgrade and waits for something before it begins."""
    status = upgrade.status
    return not has_begun(upgrade) and bool(status.message or status.error is not None or status.not_before)


def operation_of(upgrade: ClusterUpgrade) -> Operation:
    """What is seen of an upgrade.

    Its beginning is that of the object, not of the work at the platform: from then on it has its place.
    """
    status = upgrade.status
    outcome = _OUTCOMES.get(status.state)
    return Operation(
        attempt=upgrade.spec.attempt,
        outcome=outcome,
        started_at=moments.read_end(upgrade.metadata.creation_timestamp),
        ended_at=moments.read_end(status.completed_time) if outcome is not None else None,
        message=_message(upgrade),
    )


def _message(upgrade: ClusterUpgrade) -> str:
    status = upgrade.status
    if status.message or status.error is None:
        return status.message
    return status.error.message or status.error.code


def _postponed(before: MemberUpdateStatus) -> Obstacle | None:
    """What a provider said when its upgrade was taken back, as the status of the run remembers it."""
    if before.state != "Pending" or before.error is None or before.error.code != POSTPONED:
        return None
    return Obstacle(POSTPONED, before.error.message, moments.read(before.not_before))


def skipped_members(status: UpdateRunStatus, skips: Sequence[SkipTarget]) -> frozenset[str]:
    """The members that the user skips, by themselves or with their group or stage."""
    named = {(skip.type, skip.name) for skip in skips}
    if not named:
        return frozenset()
    return frozenset(
        member.name
        for stage in status.stages
        for group in stage.groups
        for member in group.members
        if {("Stage", stage.name), ("Group", group.name), ("Member", member.name)} & named
    )


def _members(status: UpdateRunStatus) -> Iterator[MemberUpdateStatus]:
    for stage in status.stages:
        for group in stage.groups:
            yield from group.members
