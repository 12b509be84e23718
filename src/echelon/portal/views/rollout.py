"""One staged rollout: its stages with members, waits and approvals, what it waits for, and its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from echelon.explain.items import Item, Part, State
from echelon.explain.kinds import Approval, Binding, Run
from echelon.explain.outline import outline
from echelon.explain.waiting import Wait, waits
from echelon.portal.views.chart import Chart, Span, chart
from echelon.portal.views.runs import TONES, Card, Count, counts, rollout_card

MEMBERS_SHOWN = 100
"""Members of a stage that are shown one by one; of more, those that matter most now."""

ROWS_SHOWN = 24
"""Members that have rows of their own in the chart; of more, stages have."""

_PRESSING = (State.FAILED, State.STUCK, State.UPDATING, State.WAITING, State.STOPPING, State.STOPPED)


class Task(Struct, frozen=True, kw_only=True):
    """A timed wait or an approval; ``request`` is the id of the approval in the inbox."""

    name: str
    is_approval: bool
    state: str
    tone: str
    since: datetime | None
    until: datetime | None
    ended: datetime | None
    request: str = ""


class MemberLine(Struct, frozen=True, kw_only=True):
    """A member in a rollout."""

    name: str
    state: str
    tone: str
    note: str
    since: datetime | None
    ended: datetime | None


class StageColumn(Struct, frozen=True, kw_only=True):
    """A stage."""

    number: int
    name: str
    state: str
    tone: str
    note: str
    before: tuple[Task, ...]
    members: tuple[MemberLine, ...]
    hidden: int
    after: tuple[Task, ...]
    counts: tuple[Count, ...]
    total: int
    done: int
    since: datetime | None
    ended: datetime | None


class RolloutPage(Struct, frozen=True, kw_only=True):
    """All of a staged rollout."""

    card: Card
    namespace: str
    placement: str
    placement_path: str
    strategy: str
    snapshot: str
    wanted: str
    note: str
    waits: tuple[Wait, ...]
    stages: tuple[StageColumn, ...]
    chart: Chart | None


def rollout_page(run: Run, bindings: Iterable[Binding], approvals: Iterable[Approval], now: datetime) -> RolloutPage:
    """A rollout as it is at a moment."""
    item = outline(run, bindings)
    namespace, placement = run.metadata.namespace, run.spec.placement_name
    pending = {request.metadata.name for request in approvals if request.metadata.namespace == namespace}
    return RolloutPage(
        card=rollout_card(run),
        namespace=namespace,
        placement=placement,
        placement_path=f"/placements/{namespace}/{placement}" if namespace else f"/placements/{placement}",
        strategy=run.spec.staged_rollout_strategy_name,
        snapshot=run.status.resource_snapshot_index_used or run.spec.resource_snapshot_index,
        wanted=run.spec.state or "Run",
        note=item.note,
        waits=waits(run, item),
        stages=tuple(_stage(number, stage, namespace, pending) for number, stage in enumerate(item.items, 1)),
        chart=chart(tuple(_spans(item)), now),
    )


def _stage(number: int, stage: Item, namespace: str, pending: set[str]) -> StageColumn:
    members = [found for found in stage.items if found.part is Part.MEMBER]
    first = next((at for at, found in enumerate(stage.items) if found.part is Part.MEMBER), len(stage.items))
    tasks = [(at, found) for at, found in enumerate(stage.items) if found.part is not Part.MEMBER]
    shown = members
    if len(members) > MEMBERS_SHOWN:
        order = {state: rank for rank, state in enumerate(_PRESSING)}
        shown = sorted(members, key=lambda member: order.get(member.state, len(order)))[:MEMBERS_SHOWN]
    return StageColumn(
        number=number,
        name=stage.name,
        state=stage.state.value,
        tone=TONES[stage.state],
        note=stage.note,
        before=tuple(_task(found, namespace, pending) for at, found in tasks if at < first and members),
        members=tuple(map(_member, shown)),
        hidden=len(members) - len(shown),
        after=tuple(_task(found, namespace, pending) for at, found in tasks if at > first or not members),
        counts=counts(stage),
        total=len(members),
        done=sum(member.is_over for member in members),
        since=stage.since,
        ended=stage.ended,
    )


def _task(item: Item, namespace: str, pending: set[str]) -> Task:
    waiting = item.state is State.WAITING
    is_approval = item.part is Part.APPROVAL
    return Task(
        name=item.name,
        is_approval=is_approval,
        state=item.state.value,
        tone=TONES[item.state],
        since=item.since,
        until=item.until if waiting else None,
        ended=item.ended,
        request=f"request-{namespace}-{item.name}" if is_approval and waiting and item.name in pending else "",
    )


def _member(item: Item) -> MemberLine:
    return MemberLine(
        name=item.name,
        state=item.state.value,
        tone="warn" if item.troubled else TONES[item.state],
        note=item.note,
        since=item.since,
        ended=item.ended,
    )


def _spans(item: Item) -> Iterator[Span]:
    """The rows of the chart: stages, and their members where there are few."""
    few = sum(1 for _ in item.members()) <= ROWS_SHOWN
    for stage in item.items:
        yield _span(stage, 0)
        parts: Sequence[Item] = [part for part in stage.items if few or part.part is not Part.MEMBER]
        for part in parts:
            if part.since is not None:
                yield _span(part, 1)


def _span(item: Item, level: int) -> Span:
    waiting = item.state is State.WAITING and item.until is not None and item.since is not None
    return Span(
        label="approval" if item.part is Part.APPROVAL else item.name,
        level=level,
        tone=TONES[item.state],
        state=item.state.value,
        began=None if item.state is State.SKIPPED else item.since,
        ended=item.ended,
        expected=(item.since, item.until) if waiting and item.since is not None else None,
        mark=item.part is Part.APPROVAL,
    )
