"""What waits for an approval: gates of update runs, approval requests of staged rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec import Struct

from echelon.api import names
from echelon.api.conditions import APPROVAL_ACCEPTED, APPROVED, find_condition
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import parse_time
from echelon.explain.items import Item, State
from echelon.explain.kinds import Approval, Run
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.explain.run_outline import run_outline
from echelon.portal.views.runs import Count, counts, upgrade_words


def count(gates: Iterable[Gate], requests: Iterable[Approval]) -> int:
    """How many approvals somebody has to give. A gate that opens by itself is not one of them."""
    return sum(map(waits_for_somebody, gates)) + sum(map(is_open, requests))


def waits_for_somebody(gate: Gate) -> bool:
    """Whether a gate is closed until somebody opens it."""
    return gate.status.state == "Pending" and gate.metadata.deletion_timestamp is None


def is_open(request: Approval) -> bool:
    """Whether a request was not approved as it is now."""
    if request.metadata.deletion_timestamp is not None:
        return False
    conditions = request.status.conditions
    accepted, approved = find_condition(conditions, APPROVAL_ACCEPTED), find_condition(conditions, APPROVED)
    if accepted is not None and accepted.status == "True":
        return False
    if approved is None or approved.status != "True":
        return True
    return approved.observed_generation not in (0, request.metadata.generation)


# -- the inbox ----------------------------------------------------------------------------------


class Stage(Struct, frozen=True, kw_only=True):
    """A stage beside an approval: how the last one went, or whom the next one takes."""

    name: str
    members: tuple[str, ...]
    total: int
    counts: tuple[Count, ...]
    failed: int
    began: datetime | None
    ended: datetime | None


class Waiting(Struct, frozen=True, kw_only=True):
    """An approval that waits: of what, where, since when, and what hangs on it. ``action`` is where it is given."""

    id: str
    kind: str
    title: str
    run: str
    run_path: str
    what: str
    place: str
    since: datetime | None
    until: datetime | None
    last: Stage | None
    opens: Stage | None
    action: str
    may: bool


class Given(Struct, frozen=True, kw_only=True):
    """An approval that was given: by whom, when, and why."""

    title: str
    run: str
    run_path: str
    place: str
    by: str
    note: str
    when: datetime | None


class Inbox(Struct, frozen=True, kw_only=True):
    """All approvals."""

    waiting: tuple[Waiting, ...]
    given: tuple[Given, ...]


GIVEN_SHOWN = 20


def inbox(
    gates: Iterable[Gate],
    runs: Iterable[UpdateRun],
    requests: Iterable[Approval],
    rollouts: Iterable[Run],
    *,
    may_gates: bool,
    may_requests: Callable[[Approval], bool],
) -> Inbox:
    """What waits, longest first, and what was approved lately.

    Args:
        gates, runs, requests, rollouts: all that the user may see.
        may_gates: whether the user may approve gates.
        may_requests: whether the user may approve a request.
    """
    by_name = {run.metadata.name: run for run in runs}
    by_key = {run.key: run for run in rollouts}
    waiting: list[Waiting] = []
    given: list[Given] = []
    for gate in gates:
        run = by_name.get(gate.spec.target.update_run)
        if waits_for_somebody(gate):
            waiting.append(_gate(gate, run, may=may_gates))
        elif gate.status.state == "Completed":
            given.append(_opened(gate))
    for request in requests:
        rollout = by_key.get((request.metadata.namespace, request.spec.parent_stage_rollout))
        if is_open(request):
            if rollout is not None and not outline(rollout).is_over:
                waiting.append(_request(request, rollout, may=may_requests(request)))
        else:
            given.append(_approved(request))
    waiting.sort(key=lambda found: (found.since is None, found.since, found.id))
    given.sort(key=lambda found: (found.when.timestamp() if found.when else 0.0, found.title), reverse=True)
    return Inbox(waiting=tuple(waiting), given=tuple(given[:GIVEN_SHOWN]))


def _gate(gate: Gate, run: UpdateRun | None, *, may: bool) -> Waiting:
    target, name = gate.spec.target, gate.metadata.name
    item = None if run is None else run_outline(run)
    last, opens = (None, None) if item is None else _beside(item, target.stage, before=target.timing == "Before")
    return Waiting(
        id=f"gate-{name}",
        kind="Update run",
        title=gate.spec.display_name or "Approval",
        run=target.update_run,
        run_path=f"/runs/{target.update_run}",
        what="" if run is None else upgrade_words(run.spec.managed_cluster_update),
        place=_place(gate),
        since=_time(gate.metadata.creation_timestamp),
        until=_time(gate.status.absolute_start_time),
        last=last,
        opens=opens,
        action=f"/approvals/gates/{name}",
        may=may,
    )


def _place(gate: Gate) -> str:
    target = gate.spec.target
    scope = f"group {target.group} of stage {target.stage}" if target.group else f"stage {target.stage}"
    return f"{target.timing.lower()} {scope}"


def _opened(gate: Gate) -> Given:
    return Given(
        title=gate.spec.display_name or "Approval",
        run=gate.spec.target.update_run,
        run_path=f"/runs/{gate.spec.target.update_run}",
        place=_place(gate),
        by=gate.status.completed_by,
        note=gate.status.message,
        when=_time(gate.status.completed_time),
    )


def rollout_path(namespace: str, name: str) -> str:
    """Where the page of a staged rollout is."""
    return f"/rollouts/{namespace}/{name}" if namespace else f"/rollouts/{name}"


def _request(request: Approval, run: Run, *, may: bool) -> Waiting:
    namespace, name, spec = request.metadata.namespace, request.metadata.name, request.spec
    last, opens = _beside(outline(run), spec.target_stage, before=_is_before(request))
    return Waiting(
        id=f"request-{namespace}-{name}",
        kind="Staged rollout",
        title=name,
        run=spec.parent_stage_rollout,
        run_path=rollout_path(namespace, spec.parent_stage_rollout),
        what=what_is_rolled_out(run),
        place=f"{'before' if _is_before(request) else 'after'} stage {spec.target_stage}",
        since=_time(request.metadata.creation_timestamp),
        until=None,
        last=last,
        opens=opens,
        action=f"/approvals/requests/{namespace}/{name}" if namespace else f"/approvals/requests/{name}",
        may=may,
    )


def _is_before(request: Approval) -> bool:
    return request.metadata.labels.get(names.TASK_TYPE) == names.BEFORE_STAGE


def _approved(request: Approval) -> Given:
    spec = request.spec
    approved = find_condition(request.status.conditions, APPROVED)
    return Given(
        title=request.metadata.name,
        run=spec.parent_stage_rollout,
        run_path=rollout_path(request.metadata.namespace, spec.parent_stage_rollout),
        place=f"{'before' if _is_before(request) else 'after'} stage {spec.target_stage}",
        by="",
        note="" if approved is None else approved.message,
        when=None if approved is None else _time(approved.last_transition_time),
    )


def _beside(run: Item, stage: str, *, before: bool) -> tuple[Stage | None, Stage | None]:
    """The stage that was done last when an approval is asked for, and the one that it lets begin."""
    names_ = [part.name for part in run.items]
    if stage not in names_:
        return None, None
    at = names_.index(stage)
    last, opens = (at - 1, at) if before else (at, at + 1)
    return (
        _stage(run.items[last]) if last >= 0 else None,
        _stage(run.items[opens]) if opens < len(run.items) else None,
    )


def _stage(item: Item) -> Stage:
    members = list(item.members())
    return Stage(
        name=item.name,
        members=tuple(member.name for member in members[:8]),
        total=len(members),
        counts=counts(item),
        failed=sum(member.state is State.FAILED for member in members),
        began=item.since,
        ended=max((member.ended for member in members if member.ended is not None), default=None),
    )


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
