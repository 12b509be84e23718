"""Why a run does not go on: what it waits for, since when, until when, and what would unblock it.

Pure, from the run's outline. A run that waits for several things at once gives one answer for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from echelon.api.conditions import PROGRESSING, find_condition
from echelon.api.meta import parse_time
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.kinds import Run
from echelon.explain.outline import outline

_NAMED = 3


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that something waits for. ``command`` is what a user may type to unblock it."""

    what: str
    since: datetime | None = None
    until: datetime | None = None
    unblock: str = ""
    command: str = ""


def waits(run: Run, item: Item | None = None, *, access: Access | None = None) -> tuple[Wait, ...]:
    """Everything that a run waits for now; nothing when it is over.

    Args:
        run: as it was last read.
        item: its outline, when the caller has it.
        access: how the hub was reached, for commands to the same hub.
    """
    item = item or outline(run)
    if item.is_over:
        return ()
    return tuple(_waits(run, item, access or Access()))


def _waits(run: Run, item: Item, access: Access) -> Iterator[Wait]:
    scope = scope_words(run.metadata.namespace)
    if item.state is State.STOPPED or (item.state is State.NOT_STARTED and run.spec.state == "Initialize"):
        yield Wait(
            what="somebody to resume it: it is stopped"
            if item.state is State.STOPPED
            else "somebody to start it: it is only initialized",
            since=_progress_changed(run),
            unblock="resume it",
            command=access.command("rollout", "resume", item.name, *scope),
        )
        return
    if not item.items:
        yield Wait(what=item.note, since=item.since)
        return
    for stage in item.items:
        yield from _updates(run, stage, access)
        for task in stage.items:
            if task.state is State.WAITING:
                yield _task(run, stage, task, access)


def _progress_changed(run: Run) -> datetime | None:
    progressing = find_condition(run.status.conditions, PROGRESSING)
    return None if progressing is None else parse_time(progressing.last_transition_time)


def scope_words(namespace: str) -> tuple[str, ...]:
    """The option that names a namespace; nothing for cluster-scoped kinds."""
    return ("-n", namespace) if namespace else ()


def _updates(run: Run, stage: Item, access: Access) -> Iterator[Wait]:
    """The members of a stage that are at work, in one answer."""
    busy = [item for item in stage.items if item.part is Part.MEMBER and item.state is State.UPDATING]
    if not busy:
        return
    listed = ", ".join(member.name for member in busy[:_NAMED])
    more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
    troubled = next((member for member in busy if member.troubled), None)
    note = next((f": {member.note}" for member in busy if member.note), "")
    if troubled is not None and troubled.note:
        note = f": on {troubled.name}, {troubled.note}"
    back = access.command("rollout", "rollback", run.metadata.name, *scope_words(run.metadata.namespace))
    yield Wait(
        what=f"{listed}{more} in stage {stage.name} to be updated{note}",
        since=min((member.since for member in busy if member.since is not None), default=None),
        unblock="everything placed there has to be applied and available"
        + ("; to go back instead, roll back" if troubled is not None else ""),
        command=back if troubled is not None else "",
    )


def _task(run: Run, stage: Item, task: Item, access: Access) -> Wait:
    if task.part is Part.WAIT:
        return Wait(
            what=f"the {task.name.removeprefix('wait ')} after stage {stage.name}",
            since=task.since,
            until=task.until,
        )
    namespace = run.metadata.namespace
    return Wait(
        what=f"the approval of {task.name} (stage {stage.name})",
        since=task.since,
        unblock="approve it",
        command=access.command("rollout", "approve", run.metadata.name, stage.name, *scope_words(namespace)),
    )
