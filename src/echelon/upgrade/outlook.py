"""The outlook of a run: its schedule on what is known of the fleet, and what may go otherwise than planned.

Pure. For whoever shows a run before it is started. How long the upgrade of a member takes is what its last one of the
same type took; what is found besides, of members, of other runs and of the catalogue, are findings: sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median_low

from msgspec import Struct

from echelon.api.cluster import MemberCluster
from echelon.api.conditions import HEALTHY, JOINED, find_condition
from echelon.api.fleet import UpdateRun, UpgradeType
from echelon.api.meta import parse_time
from echelon.api.names import member_of_namespace
from echelon.api.upgrade import ClusterUpgrade
from echelon.upgrade.preview import UPGRADE_TIME, PlannedMember, Preview, schedule
from echelon.upgrade.validation import Surroundings

_UNDER_WAY = ("Running", "Pending", "Stopping")


class Assumed(Struct, frozen=True):
    """How long an upgrade and an approval are assumed to take; ``known`` are upgrades as they were seen to take."""

    upgrade: timedelta
    approval: timedelta
    known: Mapping[str, timedelta] = {}

    def __str__(self) -> str:
        known = f"as long as it took {len(self.known)} of the members last, else " if self.known else ""
        approval = f"{written(self.approval)} after they are reached" if self.approval else "at once"
        return f"an upgrade takes {known}{written(self.upgrade)}; gates are approved {approval}"


def durations(upgrades: Iterable[ClusterUpgrade], type_: UpgradeType) -> dict[str, timedelta]:
    """How long the last upgrade of this type took each member."""
    found: dict[str, tuple[datetime, timedelta]] = {}
    for upgrade in upgrades:
        status, member = upgrade.status, member_of_namespace(upgrade.metadata.namespace)
        if member is None or status.state != "Completed" or upgrade.spec.upgrade.type != type_:
            continue
        if status.start_time is None or status.completed_time is None:
            continue
        began, ended = parse_time(status.start_time), parse_time(status.completed_time)
        if member not in found or found[member][0] < ended:
            found[member] = ended, max(ended - began, timedelta(seconds=1))
    return {member: taken for member, (_, taken) in found.items()}


class Outlook(Struct, frozen=True):
    """A schedule, on which assumptions, and what may go otherwise. A run that would be refused has problems only."""

    preview: Preview
    assumed: Assumed
    findings: tuple[str, ...] = ()


def outlook(
    run: UpdateRun,
    around: Surroundings,
    clusters: Iterable[MemberCluster],
    upgrades: Iterable[ClusterUpgrade],
    runs: Iterable[UpdateRun],
    now: datetime,
    *,
    upgrade_time: timedelta | None = None,
    approval: timedelta = timedelta(),
) -> Outlook:
    """The outlook of a run that is started, or goes on, now.

    Args:
        run: as it is to be made, or as it is on the hub.
        around: the fleet, as runs are judged against it.
        clusters, upgrades, runs: those that are on the hub.
        now: the moment.
        upgrade_time: of a member whose last upgrade is not known; without it, the median of those that are.
        approval: how long after a gate is reached somebody approves it.
    """
    known = durations(upgrades, run.spec.managed_cluster_update.upgrade.type)
    usual = upgrade_time or median_low([*known.values()] or [UPGRADE_TIME])
    assumed = Assumed(usual, approval, known)
    preview = schedule(run, around, now, duration=usual, durations=known, approval=approval)
    if preview.problems:
        return Outlook(preview, assumed)
    return Outlook(preview, assumed, tuple(findings(run.metadata.name, preview, around, clusters, runs)))


def findings(
    name: str,
    preview: Preview,
    around: Surroundings,
    clusters: Iterable[MemberCluster],
    runs: Iterable[UpdateRun],
) -> Sequence[str]:
    """What may go otherwise than planned."""
    planned = {member.name: member for member in preview.members}
    return [
        *_of_members(planned, clusters),
        *_of_runs(name, planned, runs),
        *_not_taken(planned, around),
        *(
            f"the release catalogue has an entry that cannot be read: {text}"
            for text in around.releases.catalogue.unreadable
        ),
    ]


def _of_members(planned: Mapping[str, PlannedMember], clusters: Iterable[MemberCluster]) -> Iterator[str]:
    for cluster in clusters:
        name = cluster.metadata.name
        if name not in planned or planned[name].skipped:
            continue
        for type_, words in ((JOINED, "has not joined"), (HEALTHY, "is not healthy")):
            condition = find_condition(cluster.status.conditions, type_)
            if condition is None or condition.status != "True":
                why = f": {condition.message}" if condition is not None and condition.message else ""
                yield f"{name} {words}{why}"
                break
        if planned[name].waits_for and planned[name].starts_at is None:
            yield f"{name} will not be upgraded by itself: {planned[name].waits_for}"


def _of_runs(name: str, planned: Mapping[str, PlannedMember], runs: Iterable[UpdateRun]) -> Iterator[str]:
    for run in runs:
        if run.metadata.name == name or run.status.state not in _UNDER_WAY:
            continue
        theirs = [
            member.name
            for stage in run.status.stages
            for group in stage.groups
            for member in group.members
            if member.name in planned and member.state in ("NotStarted", "Pending", "Running")
        ]
        if theirs:
            yield f"update run {run.metadata.name} is {run.status.state} and has {_listed(theirs)} before it, too"


def _not_taken(planned: Mapping[str, PlannedMember], around: Surroundings) -> Iterator[str]:
    others = sorted(member.name for member in around.members if member.name not in planned)
    if others:
        yield f"not part of the run, as its order does not take them: {_listed(others)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def written(time: timedelta) -> str:
    """A duration in the notation of waits: ``90s`` is ``1m30s``."""
    seconds = round(time.total_seconds())
    parts = ((seconds // 3600, "h"), (seconds % 3600 // 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
