"""What was observed and what is wanted: everything the engine learns from outside.

Facts are level-triggered: they say what is, not what changed. The same facts may be given again and again,
and late ones are as good as early ones. Intent, attempt, skips, approvals, windows, readiness and departures
are given in full each time. Operations may be given in full or only those seen since: what a progress has
once recorded of an operation it keeps.

The caller owes one thing: facts must be at least as new as its own writes. An operation that it started
and that its next facts lack, while the progress naming it was not stored, would be unknown to the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from echelon.rollout.plan import GateReference, Moment, Plan


class Intent(StrEnum):
    """What the user wants of the run: only that it is initialised, that it runs, or that it stops."""

    INITIALIZE = "Initialize"
    RUN = "Run"
    STOP = "Stop"


class Outcome(StrEnum):
    """How an operation ended. Skipped: it found nothing to do."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"


class Operation(Struct, frozen=True, gc=False):
    """The operation that updates one target, as last seen; ``outcome`` is None while it goes on.

    ``attempt`` is that of the ``Start`` that asked for it. Times default to the moment of the decision.
    """

    attempt: int = 1
    outcome: Outcome | None = None
    started_at: Moment | None = None
    ended_at: Moment | None = None
    message: str = ""


class SkipKind(StrEnum):
    """What a skip names: a target, a group, a stage with its wait, or only the wait after a stage."""

    MEMBER = "Member"
    GROUP = "Group"
    STAGE = "Stage"
    AFTER_STAGE_WAIT = "AfterStageWait"


class Skip(Struct, frozen=True, gc=False):
    """Something the user wants left out. What has ended stays as it is; what runs is awaited."""

    kind: SkipKind
    name: str

    def problem(self, plan: Plan) -> str | None:
        """Why this skip means nothing in a plan, or None when it is good."""
        places = plan.places
        match self.kind:
            case SkipKind.MEMBER:
                return None if self.name in places.targets else f"no member {self.name!r} is part of the run"
            case SkipKind.GROUP:
                return None if self.name in places.groups else f"the run has no group {self.name!r}"
            case SkipKind.STAGE | SkipKind.AFTER_STAGE_WAIT:
                return None if self.name in places.stages else f"the run has no stage {self.name!r}"


class Window(Struct, frozen=True, gc=False):
    """The maintenance window of a target that is open, or else the next one to open."""

    opens_at: Moment
    closes_at: Moment

    def open_at(self, moment: Moment) -> bool:
        return self.opens_at <= moment < self.closes_at


class Unready(Struct, frozen=True, gc=False):
    """Why a target cannot be started although its turn has come, and until when if that is known."""

    reason: str
    until: Moment | None = None


class Facts(Struct, frozen=True, kw_only=True):
    """What is known and wanted now.

    * ``attempt`` is raised by each start of the run. A target whose operation of an earlier attempt failed is tried
      again, whether it failed before the attempt was raised or after.
    * ``operations`` by target; ``lost`` names targets whose operation is gone without having ended.
    * ``approvals``: when each gate was approved.
    * ``windows``: targets with an open window go first, those with a closed one wait for it.
    * ``unready``: targets that must wait for another reason and leave their place to others meanwhile.
    * ``unneeded``: targets with nothing to do, and why; they end as skipped when their turn comes.
    * ``left``: targets that are gone, and why; they end as skipped at once, even while they run.
    """

    intent: Intent = Intent.RUN
    attempt: int = 1
    operations: Mapping[str, Operation] = {}
    lost: frozenset[str] = frozenset()
    approvals: Mapping[GateReference, Moment] = {}
    skips: frozenset[Skip] = frozenset()
    windows: Mapping[str, Window] = {}
    unready: Mapping[str, Unready] = {}
    unneeded: Mapping[str, str] = {}
    left: Mapping[str, str] = {}
