"""What the portal needs of those who serve it: a way to the hub, and the rules of update runs.

The portal knows the hub's API and nothing of those who act on it. How a run is judged and planned belongs to
``echelon.upgrade``, which whoever puts a hub together hands in here, in the forms of these protocols.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import SkipTarget, UpdateRun, UpdateRunStatus, UpdateStrategy
from echelon.api.meta import Clock, SystemClock
from echelon.api.upgrade import AutoUpgradeProfile, ClusterUpgrade, ReleaseCatalog
from echelon.kube.client import Client


class Connect(Protocol):
    """A client of the hub that shows a token. Called once for each token that somebody signs in with."""

    def __call__(self, token: str) -> Client: ...


class UpdateRules(Protocol):
    """What may be asked of a run, and the run as it is then: ``echelon.upgrade.intents``."""

    def start_problems(self, run: UpdateRun) -> Sequence[object]: ...

    def stop_problems(self, run: UpdateRun) -> Sequence[object]: ...

    def skip_problems(self, run: UpdateRun, targets: Sequence[SkipTarget]) -> Sequence[object]: ...

    def started(self, run: UpdateRun) -> UpdateRun: ...

    def stopped(self, run: UpdateRun) -> UpdateRun: ...

    def skipping(self, run: UpdateRun, targets: Sequence[SkipTarget]) -> UpdateRun: ...


class FleetNow(Struct, frozen=True, kw_only=True):
    """What a run is judged and planned against, as it was last read."""

    members: Sequence[MemberCluster] = ()
    strategies: Sequence[UpdateStrategy] = ()
    catalogs: Sequence[ReleaseCatalog] = ()
    upgrades: Sequence[ClusterUpgrade] = ()
    runs: Sequence[UpdateRun] = ()


class PlannedMember(Protocol):
    """A member in a schedule: when, or why not."""

    @property
    def name(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def starts_at(self) -> datetime | None: ...
    @property
    def ends_at(self) -> datetime | None: ...
    @property
    def skipped(self) -> str: ...
    @property
    def waits_for(self) -> str: ...


class Schedule(Protocol):
    """What would become of a run that is started at ``starts_at``: ``echelon.upgrade.preview.Preview``."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...
    @property
    def problems(self) -> Sequence[object]: ...
    @property
    def status(self) -> UpdateRunStatus: ...
    @property
    def schedule(self) -> Any: ...
    @property
    def members(self) -> Sequence[PlannedMember]: ...
    @property
    def approvals(self) -> Sequence[Any]: ...
    @property
    def blocked_on(self) -> Sequence[str]: ...


class Outlook(Protocol):
    """A schedule, on what it rests, and what may go otherwise: ``echelon.upgrade.outlook.Outlook``."""

    @property
    def preview(self) -> Schedule: ...
    @property
    def assumed(self) -> object: ...
    @property
    def findings(self) -> Sequence[str]: ...


class Planner(Protocol):
    """The outlook of a run that is started, or goes on, now. Pure and quick: it is asked at every change."""

    def __call__(self, run: UpdateRun, fleet: FleetNow, now: datetime, /) -> Outlook: ...


class GenerateRun(Protocol):
    """The run of a profile for what is published now, which may be on the hub already; or why there is none."""

    def __call__(self, profile: AutoUpgradeProfile, fleet: FleetNow, now: datetime, /) -> UpdateRun | str: ...


class Given(Struct, frozen=True, kw_only=True):
    """What whoever serves the portal hands in.

    ``fleet`` is what the fleet is called. ``token_hint`` says, in a sentence, where people get a token.
    """

    connect: Connect
    rules: UpdateRules
    plan: Planner
    generate: GenerateRun
    clock: Clock = SystemClock()
    fleet: str = "fleet"
    token_hint: str = "kubectl create token ACCOUNT makes one."
