"""One update run: its stages with groups and members, what it waits for, what may be asked of it, and its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from echelon.api import names
from echelon.api.fleet import Gate, GroupUpdateStatus, UpdateRun, UpdateRunStatus
from echelon.api.meta import parse_time
from echelon.api.upgrade import ClusterUpgrade
from echelon.explain.access import Access
from echelon.explain.items import Item, Part, State
from echelon.explain.run_outline import Details, run_outline
from echelon.explain.run_waits import run_waits
from echelon.explain.waiting import Wait
from echelon.portal.given import Outlook, Schedule
from echelon.portal.views.chart import Chart, Span, chart
from echelon.portal.views.runs import TONES, Card, Count, counts, update_card

MEMBERS_SHOWN = 120
"""Members of a run that are shown one by one, as many of each group; the others are counted."""

LEAST_SHOWN = 4
"""Members of a group that are shown in any case."""

ROWS_SHOWN = 24
"""Members of a run that have rows of their own in its chart; of more, groups have."""

FINDINGS_SHOWN = 6

_PRESSING = (State.FAILED, State.STUCK, State.UPDATING, State.WAITING, State.STOPPING, State.STOPPED)


class Task(Struct, frozen=True, kw_only=True):
    """A gate or a wait; ``gate`` is the Gate to approve, ``skip`` what a run is asked to leave out."""

    name: str
    kind: str
    state: str
    tone: str
    since: datetime | None
    until: datetime | None
    ended: datetime | None
    gate: str = ""
    skip: str = ""


class MemberLine(Struct, frozen=True, kw_only=True):
    """A member in a run."""

    name: str
    state: str
    tone: str
    note: str
    since: datetime | None
    ended: datetime | None
    until: datetime | None
    steps_done: int
    steps: int
    skip: str = ""


class GroupBox(Struct, frozen=True, kw_only=True):
    """A group: gates, members, gates. A stage of one nameless group shows none."""

    name: str
    state: str
    tone: str
    is_named: bool
    before: tuple[Task, ...]
    after: tuple[Task, ...]
    members: tuple[MemberLine, ...]
    hidden: int
    counts: tuple[Count, ...]
    total: int
    at_a_time: int
    skip: str = ""


class StageColumn(Struct, frozen=True, kw_only=True):
    """A stage."""

    number: int
    name: str
    state: str
    tone: str
    before: tuple[Task, ...]
    groups: tuple[GroupBox, ...]
    after: tuple[Task, ...]
    counts: tuple[Count, ...]
    total: int
    done: int
    since: datetime | None
    ended: datetime | None
    skip: str = ""


class Facts(Struct, frozen=True, kw_only=True):
    """What is worth knowing of a run besides."""

    images: tuple[str, ...]
    strategy: str
    profile: str
    attempt: int
    created: datetime | None
    error: str
    skips: tuple[str, ...]


class RunPage(Struct, frozen=True, kw_only=True):
    """All of a run. ``ends_at`` is when it is expected to end; ``assumed`` on what that rests."""

    card: Card
    facts: Facts
    waits: tuple[Wait, ...]
    stages: tuple[StageColumn, ...]
    chart: Chart | None
    ends_at: datetime | None
    assumed: str
    findings: tuple[str, ...]
    blocked_on: tuple[str, ...]


def run_page(
    run: UpdateRun,
    gates: Iterable[Gate],
    upgrades: Iterable[ClusterUpgrade],
    outlook: Outlook | None,
    now: datetime,
) -> RunPage:
    """A run as it is; ``outlook`` is None when nothing more is expected of it."""
    details = Details(gates, [upgrade for upgrade in upgrades if upgrade.spec.update_run == run.metadata.name])
    item = run_outline(run, details)
    preview = outlook.preview if outlook is not None and not outlook.preview.problems else None
    may_skip = not item.is_over or item.state is State.FAILED
    return RunPage(
        card=update_card(run, run.metadata.labels.get(names.AUTO_UPGRADE_PROFILE, "")),
        facts=_facts(run),
        waits=tuple(run_waits(run, item, Access())),
        stages=tuple(_stages(run.status, item, may_skip=may_skip)),
        chart=chart(tuple(spans(run.status, item, preview)), now),
        ends_at=None if preview is None else preview.ends_at,
        assumed="" if outlook is None else str(outlook.assumed),
        findings=() if outlook is None else first_few(outlook.findings),
        blocked_on=() if preview is None else tuple(preview.blocked_on),
    )


def first_few(findings: Sequence[str]) -> tuple[str, ...]:
    """Sentences, the first few of them."""
    more = len(findings) - FINDINGS_SHOWN
    return (*findings[:FINDINGS_SHOWN], f"and {more:,} more such findings") if more > 1 else tuple(findings)


def _facts(run: UpdateRun) -> Facts:
    chosen = run.status.node_image_selection
    created, error = run.metadata.creation_timestamp, run.status.error
    return Facts(
        images=() if chosen is None else tuple(image.version for image in chosen.selected_node_image_versions),
        strategy=run.spec.update_strategy_name or "",
        profile=run.metadata.labels.get(names.AUTO_UPGRADE_PROFILE, ""),
        attempt=max(1, run.spec.attempt),
        created=None if created is None else parse_time(created),
        error="" if error is None else f"{error.code}: {error.message}",
        skips=tuple(f"{skip.type} {skip.name}" for skip in run.spec.skips),
    )


# -- stages -------------------------------------------------------------------------------------


def _stages(status: UpdateRunStatus, item: Item, *, may_skip: bool) -> Iterator[StageColumn]:
    most = max(LEAST_SHOWN, MEMBERS_SHOWN // max(1, sum(len(stage.groups) for stage in status.stages)))
    for number, (stage, part) in enumerate(zip(status.stages, item.items, strict=True), 1):
        open_ = may_skip and not part.is_over
        gates = [_task(found, "") for found in part.items if found.part is Part.GATE]
        own = len(stage.before_gates)
        lone = [group.name for group in stage.groups] == [stage.name]
        inner = [found for found in part.items if found.part in (Part.MEMBER, Part.GROUP)]
        wait = [found for found in part.items if found.part is Part.WAIT]
        if lone:  # the outline shows the group's gates among those of the stage
            inside = stage.groups[0]
            begin = own + len(inside.before_gates)
            before, after = gates[:begin], gates[begin:]
            groups = [_box(inside, part, inner, (), (), most, is_named=False, open_=False)]
        else:
            before, after = gates[:own], gates[own:]
            groups = [_group(group, box, most, open_=open_) for group, box in zip(stage.groups, inner, strict=True)]
        members = list(part.members())
        yield StageColumn(
            number=number,
            name=stage.name,
            state=part.state.value,
            tone=TONES[part.state],
            before=tuple(before),
            groups=tuple(groups),
            after=(*after, *(_task(found, f"AfterStageWait:{stage.name}" if may_skip else "") for found in wait)),
            counts=counts(part),
            total=len(members),
            done=sum(member.is_over for member in members),
            since=part.since,
            ended=part.ended,
            skip=f"Stage:{stage.name}" if open_ else "",
        )


def _group(group: GroupUpdateStatus, item: Item, most: int, *, open_: bool) -> GroupBox:
    before = len(group.before_gates)
    gates = [_task(found, "") for found in item.items if found.part is Part.GATE]
    members = [found for found in item.items if found.part is Part.MEMBER]
    return _box(group, item, members, gates[:before], gates[before:], most, is_named=True, open_=open_)


def _box(
    group: GroupUpdateStatus,
    item: Item,
    members: Sequence[Item],
    before: Sequence[Task],
    after: Sequence[Task],
    most: int,
    *,
    is_named: bool,
    open_: bool,
) -> GroupBox:
    shown = members
    if len(members) > most:
        order = {state: index for index, state in enumerate(_PRESSING)}
        shown = sorted(members, key=lambda member: order.get(member.state, len(order)))[:most]
    return GroupBox(
        name=group.name,
        state=item.state.value,
        tone=TONES[item.state],
        is_named=is_named,
        before=tuple(before),
        after=tuple(after),
        members=tuple(map(_member, shown)),
        hidden=len(members) - len(shown),
        counts=counts(item),
        total=len(members),
        at_a_time=group.max_concurrency,
        skip=f"Group:{group.name}" if open_ and not item.is_over else "",
    )


def _member(item: Item) -> MemberLine:
    open_ = item.state in (State.NOT_STARTED, State.WAITING, State.STOPPED, State.FAILED)
    return MemberLine(
        name=item.name,
        state=item.state.value,
        tone=TONES[item.state],
        note=item.note,
        since=item.since,
        ended=item.ended,
        until=item.until,
        steps_done=item.steps_done,
        steps=item.steps,
        skip=f"Member:{item.name}" if open_ else "",
    )


def _task(item: Item, skip: str) -> Task:
    waiting = item.state is State.WAITING
    return Task(
        name=item.name.removeprefix("gate ") if item.part is Part.GATE else item.name,
        kind=item.part.value,
        state=item.state.value,
        tone=TONES[item.state],
        since=item.since,
        until=item.until,
        ended=item.ended,
        gate=item.note if item.part is Part.GATE and waiting else "",
        skip=skip if not item.is_over else "",
    )


# -- time ---------------------------------------------------------------------------------------


def spans(status: UpdateRunStatus, item: Item, preview: Schedule | None) -> Iterator[Span]:
    """The rows of a run's chart: what was, by its outline, and what is expected, by its schedule."""
    planned = {member.name: member for member in preview.members} if preview is not None else {}
    progress = preview.schedule.progress.stages if preview is not None and preview.schedule is not None else ()
    many = sum(1 for _ in item.members()) > ROWS_SHOWN
    for index, part in enumerate(item.items):
        expected = progress[index] if index < len(progress) else None
        yield _span(part, 0, _times(expected))
        yield from _inside(part, expected, planned, many=many)


def _inside(part: Item, expected: Any, planned: Any, *, many: bool) -> Iterator[Span]:
    """The rows of a stage: gates, groups, members, waits."""
    gates = {} if expected is None else {gate.name: gate for gate in (*expected.before, *expected.after)}
    groups = {} if expected is None else {group.name: group for group in expected.groups}
    for group in groups.values():
        gates |= {gate.name: gate for gate in (*group.before, *group.after)}
    for item in part.items:
        match item.part:
            case Part.GROUP:
                yield _span(item, 1, _times(groups.get(item.name)))
                for inner in item.items:
                    if inner.part is Part.GATE:
                        yield _span(inner, 2, _times(gates.get(inner.name.removeprefix("gate ").strip())))
                    elif not many:
                        yield _span(inner, 2, _member_times(planned.get(inner.name)))
            case Part.MEMBER if not many:
                yield _span(item, 1, _member_times(planned.get(item.name)))
            case Part.WAIT:
                yield _span(item, 1, _times(None if expected is None else expected.wait))
            case Part.GATE:
                yield _span(item, 1, _times(gates.get(item.name.removeprefix("gate ").strip())))


def _span(item: Item, level: int, expected: tuple[datetime, datetime | None] | None) -> Span:
    over = item.is_over or item.ended is not None
    return Span(
        label=item.name,
        level=level,
        tone=TONES[item.state],
        state=item.state.value,
        began=None if item.state is State.SKIPPED else item.since,
        ended=item.ended,
        expected=None if over else expected,
        mark=item.part is Part.GATE,
        note=item.note if item.part is Part.MEMBER and item.state is State.SKIPPED else "",
    )


def _times(part: Any) -> tuple[datetime, datetime | None] | None:
    return None if part is None or part.started_at is None else (part.started_at, part.ended_at)


def _member_times(member: Any) -> tuple[datetime, datetime | None] | None:
    return None if member is None or member.starts_at is None else (member.starts_at, member.ends_at)
