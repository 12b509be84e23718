"""The rollout engine: stages in order, groups side by side, targets within a concurrency, gates, failure limits.

One engine serves both halves of Echelon. A staged rollout of a workload is a plan whose stages have one group
each, its targets the member clusters to be updated, its last stage the clusters to be emptied. An update run is
a plan of stages and groups whose targets are the clusters to be upgraded. Both halves translate their objects
into a plan, a progress and facts, ask the engine what to do, and translate the answer back.

The engine is pure. It does no I/O, has no clock and knows nothing of Kubernetes: the moment is an argument.

* A ``Plan`` is fixed: stages of groups of targets, with gates before and after, a wait after a stage, limits of
  concurrency and of failures (module ``plan``).
* A ``Progress`` is how far the run has come: the state of each target, gate and wait (module ``progress``).
* ``Facts`` are what was observed and what is wanted: operations, approvals, intent, skips, readiness (``facts``).
* ``decide`` turns the three and a moment into a ``Decision``: the new progress, the targets to start, the gates
  to open, when to decide again, and why the run does not go on by itself (``engine``, ``explain``).
* ``simulate`` plays a plan with known durations and gives its schedule (``simulate``).

A caller is a loop: read the facts, ``decide``, store the progress, carry out the starts, and decide again when a
fact changes or ``wake_at`` comes. It may crash anywhere in between. Starts are repeated until their operation is
observed, and every start has a key, so doing one twice is doing it once. The one duty of a caller is that its
facts are as new as its own writes.

A run over three clusters, one of them first, with a wait and an approval:

>>> from datetime import UTC, datetime, timedelta
>>> canary = Stage("canary", (Group("first", ("a",)),), after=(Gate("check"),), wait=timedelta(minutes=10))
>>> rest = Stage("rest", (Group("others", ("b", "c"), max_concurrency=Limit.parse("50%")),))
>>> plan = Plan((canary, rest))
>>> now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
>>> decision = decide(plan, initial(plan), Facts(), now)
>>> [start.target for start in decision.start]
['a']

The cluster is updated. Its stage then waits for a time and for a person:

>>> updated = {"a": Operation(outcome=Outcome.SUCCEEDED)}
>>> decision = decide(plan, decision.progress, Facts(operations=updated), now)
>>> for blocker in decision.blocked_on:
...     print(sentence(blocker))
gate check after stage canary waits for an approval since 2026-03-02T09:00:00Z
stage canary waits after its updates since 2026-03-02T09:00:00Z, until 2026-03-02T09:10:00Z
>>> decision.wake_at
datetime.datetime(2026, 3, 2, 9, 10, tzinfo=datetime.timezone.utc)

Approved, and the time has come. Of two clusters 50 % is one at a time:

>>> approved = Facts(approvals={decision.open_gates[0].gate: now})
>>> decision = decide(plan, decision.progress, approved, now + timedelta(minutes=10))
>>> [(start.target, start.attempt) for start in decision.start]
[('b', 1)]
>>> decision.progress.state, [stage.state.value for stage in decision.progress.stages]
(<State.RUNNING: 'Running'>, ['Completed', 'Running'])

What would it all take, if an update takes five minutes and the approval comes after half an hour?

>>> schedule = simulate(plan, now, Assumptions(duration=timedelta(minutes=5), approval=timedelta(minutes=30)))
>>> schedule.ends_at
datetime.datetime(2026, 3, 2, 9, 45, tzinfo=datetime.timezone.utc)
"""

from echelon.rollout.engine import Decision, OpenGate, Start, decide
from echelon.rollout.explain import (
    Blocker,
    ConcurrencyBlocker,
    FailureBlocker,
    GateBlocker,
    Remedy,
    RunningBlocker,
    StartBlocker,
    StopBlocker,
    UnreadyBlocker,
    WaitBlocker,
    sentence,
)
from echelon.rollout.facts import Facts, Intent, Operation, Outcome, Skip, SkipKind, Unready, Window
from echelon.rollout.plan import (
    Gate,
    GateKind,
    GateReference,
    Group,
    InvalidPlan,
    Limit,
    Plan,
    Stage,
    Timing,
    WeeklyTime,
)
from echelon.rollout.progress import (
    GateProgress,
    GateState,
    GroupProgress,
    Progress,
    StageProgress,
    State,
    TargetProgress,
    TargetState,
    WaitProgress,
    WaitState,
    initial,
)
from echelon.rollout.simulate import Assumptions, Schedule, simulate

__all__ = [
    "Assumptions",
    "Blocker",
    "ConcurrencyBlocker",
    "Decision",
    "Facts",
    "FailureBlocker",
    "Gate",
    "GateBlocker",
    "GateKind",
    "GateProgress",
    "GateReference",
    "GateState",
    "Group",
    "GroupProgress",
    "Intent",
    "InvalidPlan",
    "Limit",
    "OpenGate",
    "Operation",
    "Outcome",
    "Plan",
    "Progress",
    "Remedy",
    "RunningBlocker",
    "Schedule",
    "Skip",
    "SkipKind",
    "Stage",
    "StageProgress",
    "Start",
    "StartBlocker",
    "State",
    "StopBlocker",
    "TargetProgress",
    "TargetState",
    "Timing",
    "Unready",
    "UnreadyBlocker",
    "WaitBlocker",
    "WaitProgress",
    "WaitState",
    "WeeklyTime",
    "Window",
    "decide",
    "initial",
    "sentence",
    "simulate",
]
