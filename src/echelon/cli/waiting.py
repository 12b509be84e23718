"""Why a run does not go on: what it waits for, since when, until when, and what would unblock it.

Pure, from the run's outline. A run that waits for several things at once gives one answer for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from echelon.cli.outline import Item, Part, Run, State, outline

_NAMED = 3


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run waits for. ``command`` is what a user may type to unblock it."""

    what: str
    since: datetime | None = None
    until: datetime | None = None
    unblock: str = ""
    command: str = ""


def waits(run: Run, item: Item | None = None, *, kubectl: str = "kubectl") -> tuple[Wait, ...]:
    """Everything that a run waits for now; nothing when it is over.

    Args:
        run: as it was last read.
        item: its outline, when the caller has it.
        kubectl: how kubectl is called to talk to the run's hub.
    """
    item = item or outline(run)
    if item.is_over:
        return ()
    return tuple(_waits(run, item, kubectl))


def _waits(run: Run, item: Item, kubectl: str) -> Iterator[Wait]:
    kind = "csur" if not run.metadata.namespace else f"-n {run.metadata.namespace} sur"
    if item.state is State.STOPPED or (item.state is State.NOT_STARTED and run.spec.state == "Initialize"):
        what = "stopped" if item.state is State.STOPPED else "initialized, but not started"
        patch = '{"spec":{"state":"Run"}}'
        yield Wait(
            what=what,
            unblock="set spec.state to Run",
            command=f"{kubectl} patch {kind} {item.name} --type merge -p '{patch}'",
        )
        return
    if not item.items:
        yield Wait(what=item.note, since=item.since)
        return
    for stage in item.items:
        yield from _updates(stage)
        for task in stage.items:
            if task.state is State.WAITING:
                yield _task(run, stage, task, kubectl)


def _updates(stage: Item) -> Iterator[Wait]:
    """The members of a stage that are at work, in one answer."""
    busy = [item for item in stage.items if item.part is Part.MEMBER and item.state is State.UPDATING]
    if not busy:
        return
    listed = ", ".join(member.name for member in busy[:_NAMED])
    more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
    note = next((f": {member.note}" for member in busy if member.note), "")
    yield Wait(
        what=f"{listed}{more} in stage {stage.name} to be updated{note}",
        since=min((member.since for member in busy if member.since is not None), default=None),
        unblock="everything placed there has to be applied and available",
    )


def _task(run: Run, stage: Item, task: Item, kubectl: str) -> Wait:
    if task.part is Part.WAIT:
        return Wait(
            what=f"the {task.name.removeprefix('wait ')} after stage {stage.name}",
            since=task.since,
            until=task.until,
        )
    namespace = run.metadata.namespace
    kind = "ApprovalRequest" if namespace else "ClusterApprovalRequest"
    plural = f"-n {namespace} approvalrequests" if namespace else "clusterapprovalrequests"
    approved = (
        '{"type":"Approved","status":"True","reason":"lgtm","message":"",'
        '"lastTransitionTime":"\'$(date -u +%FT%TZ)\'","observedGeneration":1}'
    )
    return Wait(
        what=f"the approval of {task.name} (stage {stage.name})",
        since=task.since,
        unblock=f"set the condition Approved of {kind} {task.name}",
        command=(
            f"{kubectl} patch {plural} {task.name} --subresource status --type merge "
            f'-p \'{{"status":{{"conditions":[{approved}]}}}}\''
        ),
    )
