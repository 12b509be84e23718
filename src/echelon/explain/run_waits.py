"""Why an update run does not go on: what it waits for, since when, until when, and the command that unblocks it.

Pure, from the run's outline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from echelon.api.fleet import UpdateRun
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.waiting import Wait

_NAMED = 3


def run_waits(run: UpdateRun, item: Item, access: Access) -> Sequence[Wait]:
    """Everything that an update run waits for; nothing when it is over."""
    return () if item.is_over else tuple(_waits(run, item, access))


def next_command(run: UpdateRun, item: Item, access: Access) -> str:
    """What to type next for a run that is over; empty when there is nothing to be done."""
    if item.state is not State.FAILED:
        return ""
    return access.command("updaterun", "start", "-n", run.metadata.name)


def _waits(run: UpdateRun, item: Item, access: Access) -> Iterator[Wait]:
    name = run.metadata.name
    start = access.command("updaterun", "start", "-n", name)
    match item.state:
        case State.STUCK:
            yield Wait(what=f"a valid order and target: {item.note}", unblock="change or delete the run")
        case State.NOT_STARTED if run.spec.state == "Run":
            yield Wait(what="the hub to take it up")
        case State.NOT_STARTED:
            yield Wait(what="its start", unblock="start it", command=start)
        case State.STOPPED:
            yield Wait(what="somebody to start it again: it was stopped", unblock="start it", command=start)
        case _:
            for stage in item.items:
                yield from _of_scope(name, stage, access, f"stage {stage.name}")


def _of_scope(run: str, scope: Item, access: Access, where: str) -> Iterator[Wait]:
    """What a stage or a group waits for."""
    yield from _updates(scope, where)
    for item in scope.items:
        if item.part is Part.GROUP:
            yield from _of_scope(run, item, access, f"group {item.name}")
        elif item.state is State.WAITING:
            yield _wait(run, item, scope, access, where)


def _updates(scope: Item, where: str) -> Iterator[Wait]:
    """The members that are being upgraded, in one answer."""
    busy = [item for item in scope.items if item.part is Part.MEMBER and item.state is State.UPDATING]
    if not busy:
        return
    listed = ", ".join(member.name for member in busy[:_NAMED])
    more = f" and {len(busy) - _NAMED} more" if len(busy) > _NAMED else ""
    since = min((member.since for member in busy if member.since is not None), default=None)
    yield Wait(what=f"{listed}{more} in {where} to be upgraded", since=since)


def _wait(run: str, item: Item, scope: Item, access: Access, where: str) -> Wait:
    match item.part:
        case Part.GATE:
            return Wait(
                what=f"the {item.name} of {where}",
                since=item.since,
                until=item.until,
                unblock="approve it" if item.until is None else "wait, or approve it now",
                command=access.command("gate", "approve", "-n", item.note) if item.note else "",
            )
        case Part.WAIT:
            skip = access.command("updaterun", "skip", "-n", run, "--targets", f"AfterStageWait:{scope.name}")
            what = f"the {item.name.removeprefix('wait ')} after {where}"
            return Wait(what=what, since=item.since, until=item.until, unblock="wait, or skip it", command=skip)
        case _:
            skip = access.command("updaterun", "skip", "-n", run, "--targets", f"Member:{item.name}")
            return Wait(
                what=f"{item.name} in {where}: {item.note or 'it is not ready'}",
                since=item.since,
                until=item.until,
                unblock="wait, or skip it" if item.until is not None else "remove what is in the way, or skip it",
                command=skip,
            )
