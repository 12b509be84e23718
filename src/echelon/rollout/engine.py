"""The decision: what a run should do now.

``decide`` is a pure function. It fits the stored progress to its plan (``repair``), takes in the facts
(``observe``, ``skips``), lets everything happen that can happen now (``advance``), and returns the new progress
with what the caller has to bring about.

What always holds:

* *Total*: any plan, progress and facts give a decision; nothing raises.
* *Idempotent*: deciding again with the progress of a decision and the same facts and moment gives that same
  decision. ``start`` and ``open_gates`` say what should be, not what changed: a start is repeated until its
  operation is observed, a gate is listed until it is passed. Both are keyed, so carrying one out twice is
  carrying it out once, and it does not matter whether a caller crashes before, between or after its writes.
* Never more running than the concurrency of a group and of its stage allow. A stage begins only after the one
  before it has ended, its wait has elapsed and its gates are passed.
* What was skipped or has completed never starts; what has failed starts again only in a later attempt.
* While a stop is in force, or more failed than a limit allows, nothing starts and what runs is awaited.
* A run that is not at rest has a ``wake_at`` in the future or names in ``blocked_on`` what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from echelon.rollout.advance import advance
from echelon.rollout.explain import Blocker, blockers
from echelon.rollout.facts import Facts
from echelon.rollout.ledger import Ledger
from echelon.rollout.observe import observe, pending_gates
from echelon.rollout.plan import GateKind, GateReference, Moment, Plan
from echelon.rollout.progress import Progress, WaitState
from echelon.rollout.repair import fit


class Start(Struct, frozen=True):
    """A target to start. ``(target, attempt)`` is the key of its operation: the same key, the same operation."""

    target: str
    stage: str
    group: str
    attempt: int


class OpenGate(Struct, frozen=True):
    """A gate that is reached and closed, and should be seen to be so by those who can open it."""

    gate: GateReference
    kind: GateKind
    since: Moment | None
    opens_at: Moment | None


class Decision(Struct, frozen=True):
    """What follows from a plan, its progress and the facts at one moment.

    * ``progress`` is the very object that was given when nothing changed.
    * ``start`` lists every target that should be running and was not seen to be.
    * ``wake_at`` is the next moment that changes something by itself; None when only a fact can.
    * ``blocked_on`` says what the run waits for; empty once it has come to its end.
    * ``repairs`` says what of the given progress had no place in the plan and was dropped.
    """

    progress: Progress
    start: tuple[Start, ...] = ()
    open_gates: tuple[OpenGate, ...] = ()
    wake_at: Moment | None = None
    blocked_on: tuple[Blocker, ...] = ()
    repairs: tuple[str, ...] = ()


def decide(plan: Plan, progress: Progress, facts: Facts, now: datetime) -> Decision:
    """Decide what a run should do now.

    ``progress`` is ``initial(plan)`` at first and then that of the decision before. Costs time in proportion
    to the number of targets and of operations in the facts.
    """
    fitted, repairs = fit(plan, progress)
    ledger = Ledger(plan, fitted)
    observe(ledger, facts, now)
    advance(ledger, facts, now)
    decided = ledger.close(now)
    return Decision(
        progress=decided,
        start=tuple(_starts(ledger)),
        open_gates=tuple(_open_gates(ledger)),
        wake_at=next_moment(ledger, now),
        blocked_on=blockers(ledger),
        repairs=repairs,
    )


def _starts(ledger: Ledger) -> Iterator[Start]:
    for stage, group in ledger.groups:
        if group.running:
            for position in group.claims():
                target = group.targets[position]
                yield Start(target.name, stage.plan.name, group.plan.name, target.attempt)


def _open_gates(ledger: Ledger) -> Iterator[OpenGate]:
    for pending in pending_gates(ledger):
        gate = pending.gate
        yield OpenGate(pending.reference, pending.planned.kind, gate.started_at, gate.opens_at)


def next_moment(ledger: Ledger, now: datetime) -> datetime | None:
    """When something changes by itself: a wait ends, a scheduled start comes, a target gets ready.

    A moment that has passed without effect (that of a gate behind another one) is none to wake up for.
    """
    stage = ledger.current
    if stage is None or not ledger.advances:
        return None
    moments = [group.wake_at for group in stage.groups]
    moments += [pending.gate.opens_at for pending in pending_gates(ledger)]
    if stage.wait is not None and stage.wait.state is WaitState.RUNNING:
        moments.append(stage.wait.until)
    return min((moment for moment in moments if moment is not None and moment > now), default=None)
