"""Placements, their bindings and Works: on which members they are, and what keeps them from being there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from echelon.api import names
from echelon.api.binding import UNSCHEDULED
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import (
    APPLIED,
    AVAILABLE,
    DIFF_REPORTED,
    HEALTHY,
    OVERRIDDEN,
    ROLLOUT_STARTED,
    SCHEDULED,
    STATUS_SYNCED,
    WORK_SYNCHRONIZED,
    find_condition,
)
from echelon.api.meta import Condition
from echelon.api.placement import FailedResourcePlacement, PerClusterPlacementStatus
from echelon.api.work import ManifestCondition, Work
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation, listed, moment, said, since
from echelon.explain.kinds import Binding, Placement, Run
from echelon.explain.outline import outline
from echelon.explain.waiting import Wait, scope_words, waits

_STEPS = (ROLLOUT_STARTED, OVERRIDDEN, WORK_SYNCHRONIZED, APPLIED, AVAILABLE, DIFF_REPORTED)
_MEMBERS_NAMED = 3
_OBJECTS_NAMED = 5


# -- placements ---------------------------------------------------------------------------------


def explain_placement(placement: Placement, runs: Sequence[Run], access: Access) -> Explanation:
    """Where a placement stands.

    Args:
        placement: as it was last read.
        runs: of the placement, oldest first.
        access: how the hub was reached, for commands to the same hub.
    """
    members = [status for status in placement.status.placement_statuses if status.cluster_name]
    latest = placement.status.observed_resource_index
    objects = len(placement.status.selected_resources)
    facts = [
        (f"{objects} object{'s' * (objects != 1)} for " if objects else "for ")
        + f"{len(members)} member{'s' * (len(members) != 1)}, strategy {placement.spec.strategy.type}"
        + (f", snapshot {latest} everywhere" if latest else "")
    ]
    if not latest:
        facts += [
            f"{f'snapshot {index}' if index else 'no snapshot'} on {listed(having)}"
            for index, having in _by_snapshot(members)
        ]
    return Explanation(
        what=_title(placement),
        state=_placement_state(placement),
        facts=facts,
        waits=tuple(_placement_waits(placement, members, runs, access)),
    )


def _title(obj: Placement | Binding | Work) -> str:
    return f"{obj.resource.kind} {'/'.join(part for part in obj.key if part)}"


def _by_snapshot(members: Sequence[PerClusterPlacementStatus]) -> Sequence[tuple[str, list[str]]]:
    having: dict[str, list[str]] = {}
    for status in members:
        having.setdefault(status.observed_resource_index, []).append(status.cluster_name)
    return sorted(having.items())


def _condition(placement: Placement, step: str) -> Condition | None:
    found = find_condition(placement.status.conditions, placement.resource.kind + step)
    return found if found is not None and found.observed_generation == placement.metadata.generation else None


def _placement_state(placement: Placement) -> str:
    if placement.metadata.deletion_timestamp is not None:
        return "being deleted"
    scheduled = _condition(placement, SCHEDULED)
    if scheduled is None or scheduled.status != "True":
        return "not scheduled"
    for step in _STEPS:
        condition = _condition(placement, step)
        if condition is not None and condition.status != "True":
            return "being rolled out by runs" if "External" in condition.reason else f"not {_WORDS[step]}"
    return "available" if _condition(placement, AVAILABLE) else "scheduled"


_WORDS = {
    ROLLOUT_STARTED: "rolled out yet",
    OVERRIDDEN: "overridden",
    WORK_SYNCHRONIZED: "handed to all members",
    APPLIED: "applied everywhere",
    AVAILABLE: "available everywhere",
    DIFF_REPORTED: "compared everywhere",
}


def _placement_waits(
    placement: Placement, members: Sequence[PerClusterPlacementStatus], runs: Sequence[Run], access: Access
) -> Iterator[Wait]:
    if placement.metadata.deletion_timestamp is not None:
        yield Wait(
            what="its members to be emptied", since=moment(placement.metadata.deletion_timestamp), unblock="wait"
        )
        return
    scheduled = _condition(placement, SCHEDULED)
    if scheduled is None or scheduled.status == "Unknown":
        yield Wait(what="the scheduler to choose members", since=since(scheduled))
        return
    if scheduled.status == "False":
        yield Wait(
            what=f"members that its policy accepts: {said(scheduled)}",
            since=since(scheduled),
            unblock="change spec.policy or spec.resourceSelectors, or join and label members",
            command=access.command("placement", "status", placement.metadata.name, *_scope(placement)),
        )
    if placement.spec.strategy.type == "External":
        yield from _run_waits(placement, members, runs, access)
    yield from _member_waits(placement, members, access)
    copied = _condition(placement, STATUS_SYNCED)
    if copied is not None and copied.status != "True":
        yield Wait(
            what=f"its status to be copied into its namespace: {said(copied)}",
            since=since(copied),
            unblock="select one namespace that the hub may write to",
        )


def _scope(obj: Placement | Binding) -> tuple[str, ...]:
    return scope_words(obj.metadata.namespace)


def _run_waits(
    placement: Placement, members: Sequence[PerClusterPlacementStatus], runs: Sequence[Run], access: Access
) -> Iterator[Wait]:
    """What an External placement waits for: the run that is going on, or one to be started."""
    active = [run for run in runs if not outline(run).is_over]
    for run in active:
        item = outline(run)
        for wait in waits(run, item, access=access):
            yield Wait(
                what=f"its run {run.metadata.name}, which waits for {wait.what}",
                since=wait.since,
                until=wait.until,
                unblock=wait.unblock,
                command=wait.command,
            )
    behind = [status.cluster_name for status in members if not status.observed_resource_index]
    if active or not (behind or not runs):
        return
    yield Wait(
        what=f"a run: nothing was rolled out to {listed(behind)} yet" if behind else "a run: there was none yet",
        since=moment(placement.metadata.creation_timestamp),
        unblock="start one",
        command=access.command("rollout", "start", placement.metadata.name, *_scope(placement)),
    )


def _member_waits(placement: Placement, members: Sequence[PerClusterPlacementStatus], access: Access) -> Iterator[Wait]:
    """The members on which something is wrong or not done, the first few of them."""
    found = [(status, condition) for status in members if (condition := _held_up(status)) is not None]
    external = placement.spec.strategy.type == "External"
    for status, condition in found[:_MEMBERS_NAMED]:
        failed = next(iter(status.failed_placements), None)
        yield Wait(
            what=f"{status.cluster_name}: {said(condition) if failed is None else _failure(failed)}",
            since=since(condition if failed is None else failed.condition),
            unblock=_remedy(external=external),
            command=access.command("rollout", "rollback", placement.metadata.name, *_scope(placement))
            if external and runs_matter(condition)
            else "",
        )
    if len(found) > _MEMBERS_NAMED:
        yield Wait(what=f"{len(found) - _MEMBERS_NAMED} more members")


def _remedy(*, external: bool) -> str:
    return "mend what is wrong there" + (", or go back to what was last available everywhere" if external else "")


def runs_matter(condition: Condition) -> bool:
    """Whether what holds a member up is something that a run has put there."""
    return condition.type in (APPLIED, AVAILABLE, OVERRIDDEN, WORK_SYNCHRONIZED)


def _held_up(status: PerClusterPlacementStatus) -> Condition | None:
    """The step that a member has not taken; None for one that waits for a run, or has all."""
    for step in _STEPS:
        condition = find_condition(status.conditions, step)
        if condition is not None and condition.status != "True":
            return None if step == ROLLOUT_STARTED and condition.status == "Unknown" else condition
    return None


def _failure(failed: FailedResourcePlacement) -> str:
    where = "/".join(part for part in (failed.namespace, failed.name) if part)
    return f"{failed.kind} {where}: {said(failed.condition)}"


# -- bindings -----------------------------------------------------------------------------------


def explain_binding(binding: Binding, placement: Placement | None, access: Access) -> Explanation:
    """Where a placement stands on one member; ``placement`` is None when it is gone."""
    spec = binding.spec
    called = binding.metadata.labels.get(names.PARENT_PLACEMENT, "")
    snapshot = spec.resource_snapshot_name or "nothing yet"
    return Explanation(
        what=_title(binding),
        state=spec.state.lower(),
        facts=[
            f"placement {called} on member {spec.target_cluster}, which gets {snapshot}",
            f"chosen because: {spec.cluster_decision.reason}",
        ],
        waits=tuple(_binding_waits(binding, placement, called, access)),
    )


def _binding_waits(binding: Binding, placement: Placement | None, called: str, access: Access) -> Iterator[Wait]:
    external = placement is not None and placement.spec.strategy.type == "External"
    start = access.command("rollout", "start", called, *_scope(binding))
    if binding.metadata.deletion_timestamp is not None:
        yield Wait(what="the member to be emptied", since=moment(binding.metadata.deletion_timestamp), unblock="wait")
    elif binding.spec.state == UNSCHEDULED:
        yield Wait(
            what="the member to be emptied: the placement chooses it no longer",
            unblock="a run empties it at its end" if external else "the rollout empties it",
            command=start if external else "",
        )
    elif not binding.spec.resource_snapshot_name:
        yield Wait(
            what="a run to give it a snapshot" if external else "the rollout to give it a snapshot",
            since=moment(binding.metadata.creation_timestamp),
            unblock="start one" if external else "",
            command=start if external else "",
        )
    else:
        yield from _step_waits(binding, external, called, access)


def _step_waits(binding: Binding, external: bool, called: str, access: Access) -> Iterator[Wait]:
    back = access.command("rollout", "rollback", called, *_scope(binding)) if external else ""
    failed = binding.status.failed_placements
    for failure in failed[:_OBJECTS_NAMED]:
        yield Wait(
            what=_failure(failure), since=since(failure.condition), unblock=_remedy(external=external), command=back
        )
    if failed:
        return
    for step in _STEPS:
        condition = find_condition(binding.status.conditions, step)
        if condition is not None and condition.status == "True":
            continue
        if condition is None and step == DIFF_REPORTED:
            return
        member = access.command("explain", "member", binding.spec.target_cluster)
        what = "not reported yet" if condition is None else said(condition)
        yield Wait(what=f"the step {step}: {what}", since=since(condition), unblock="see its member", command=member)
        return


# -- Works --------------------------------------------------------------------------------------


def explain_work(work: Work, member: MemberCluster | None, access: Access) -> Explanation:
    """Where the objects of a Work stand; ``member`` is None when there is none of its namespace."""
    called = names.member_of_namespace(work.metadata.namespace) or work.metadata.namespace
    applied = find_condition(work.status.conditions, APPLIED)
    current = applied is not None and applied.observed_generation == work.metadata.generation
    held = [(found, bad) for found in work.status.manifest_conditions if (bad := _held_manifest(found)) is not None]
    state = "not taken up" if not current else "not all is well" if held else "applied and available"
    return Explanation(
        what=_title(work),
        state=state,
        facts=[f"{len(work.spec.workload.manifests)} objects for member {called}"],
        waits=tuple(_work_waits(work, member, called, held if current else None, access)),
    )


def _held_manifest(found: ManifestCondition) -> Condition | None:
    return next((condition for condition in found.conditions if condition.status != "True"), None)


def _work_waits(
    work: Work,
    member: MemberCluster | None,
    called: str,
    held: Sequence[tuple[ManifestCondition, Condition]] | None,
    access: Access,
) -> Iterator[Wait]:
    health = None if member is None else find_condition(member.status.conditions, HEALTHY)
    if held is None:
        ill = health is None or health.status != "True"
        yield Wait(
            what=f"the agent of {called} to take it up" + (", which is not healthy" if ill else ""),
            since=moment(work.metadata.creation_timestamp),
            unblock="see the member",
            command=access.command("explain", "member", called),
        )
        return
    for found, condition in held[:_OBJECTS_NAMED]:
        identifier = found.identifier
        where = "/".join(part for part in (identifier.namespace, identifier.name) if part)
        yield Wait(
            what=f"{identifier.kind} {where}: {said(condition)}",
            since=since(condition),
            unblock=f"mend it on member {called}, or what is placed there",
        )
