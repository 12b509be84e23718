"""The controller of auto-upgrade profiles: reads what is, decides, makes the run that is due, reports.

A profile is looked at when it, one of its runs, a member, a strategy or a catalogue changes, and at the moment when
something listed already is published or ceases to be supported. Before a run is made the runs are read once more from
the server, since a cache that lags behind would see room for a second one.

The status follows from what there is: the last trigger is the newest run that the profile made, so a process that
dies between making a run and saying so says it when it comes back. Only a trigger that came to nothing is noted as it
happens.

Conditions: ``Ready`` (something new leads to a run), ``UpToDate`` (members are where the channel is; if not, why not,
and what would change that) and ``CatalogReadable``. Their reasons are here and in ``decision``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import structlog
from msgspec.structs import replace

from echelon.api import names
from echelon.api.conditions import set_condition
from echelon.api.fleet import ErrorDetail, UpdateRun
from echelon.api.meta import Clock, Condition, format_time
from echelon.api.upgrade import AutoUpgradeProfile, AutoUpgradeProfileStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import AlreadyExists
from echelon.kube.informer import Change
from echelon.upgrade.autoupgrade import history
from echelon.upgrade.autoupgrade.decision import RUN_REFUSED, Decision, Verdict, decide
from echelon.upgrade.fleet import Fleet
from echelon.upgrade.releases import Releases
from echelon.upgrade.validation import listed

log = structlog.get_logger(__name__)

READY: Final = "Ready"
UP_TO_DATE: Final = "UpToDate"
CATALOG_READABLE: Final = "CatalogReadable"
READ: Final = "AllEntriesRead"
UNREADABLE: Final = "UnreadableEntries"

_BY_PROFILE = "auto-upgrade-profile"
_LATE = 0.001  # seconds after a moment at which a timer for it fires


class AutoUpgradeReconciler:
    """Reconciles AutoUpgradeProfiles."""

    def __init__(self, client: Client, cache: SharedCache, fleet: Fleet, clock: Clock) -> None:
        self._client = client
        self._cache = cache
        self._fleet = fleet
        self._clock = clock
        cache.informer(AutoUpgradeProfile)
        cache.informer(UpdateRun).add_index(_BY_PROFILE, lambda run: [history.profile_of(run) or ""])

    def every_profile(self, _: object) -> Iterable[Request]:
        """A request for each profile."""
        return [Request("", profile.metadata.name) for profile in self._cache.list(AutoUpgradeProfile)]

    async def reconcile(self, request: Request) -> Result | None:
        profile = self._cache.get(AutoUpgradeProfile, request.name)
        if profile is None or profile.metadata.deletion_timestamp is not None:
            return None
        runs: Sequence[UpdateRun] = list(self._cache.by_index(UpdateRun, _BY_PROFILE, request.name))
        decision = self._decide(profile, runs)
        if decision.run is not None:
            runs = (await self._client.list(UpdateRun, labels={names.AUTO_UPGRADE_PROFILE: request.name})).items
            decision = self._decide(profile, runs)
        if decision.run is not None:
            runs = [*runs, await self._make(decision.run)]
            decision = self._decide(profile, runs)
        now = self._clock.now()
        releases = self._fleet.releases(now)
        status = reported(profile, decision, runs, releases, now)
        await self._client.patch_status(profile, replace(profile, status=status), lock=True)
        return _next(releases, now)

    def _decide(self, profile: AutoUpgradeProfile, runs: Sequence[UpdateRun]) -> Decision:
        now = self._clock.now()
        return decide(profile, self._fleet.surroundings(now), runs, now)

    async def _make(self, run: UpdateRun) -> UpdateRun:
        try:
            created = await self._client.create(run)
        except AlreadyExists:
            return await self._client.get(UpdateRun, run.key)
        log.info("run made", run=run.metadata.name, profile=history.profile_of(run), trigger=history.trigger_of(run))
        return created


def run_matters(change: Change[UpdateRun]) -> bool:
    """Whether a run changed in what its profile looks at: that it is there, was started, planned, or came to a halt."""
    if change.old is None or change.new is None:
        return True
    return _outline(change.old) != _outline(change.new)


def _outline(run: UpdateRun) -> object:
    return (
        run.metadata.labels,
        run.metadata.generation,
        run.status.state,
        run.status.observed_attempt,
        run.status.error,
        bool(run.status.stages),
    )


def _next(releases: Releases, now: datetime) -> Result | None:
    """When the catalogue says something else, if nobody writes it until then."""
    ends = (release.end_of_support for release in releases.catalogue.releases)
    moments = [moment for moment in (releases.changes_at, *ends) if moment is not None and moment > now]
    return Result(requeue_after=(min(moments) - now).total_seconds() + _LATE) if moments else None


# -- status -------------------------------------------------------------------------------------


def reported(
    profile: AutoUpgradeProfile, decision: Decision, runs: Iterable[UpdateRun], releases: Releases, now: datetime
) -> AutoUpgradeProfileStatus:
    """The status of a profile after a decision."""
    status = replace(
        profile.status, observed_generation=profile.metadata.generation, baseline_versions=decision.baseline
    )
    status = _with_trigger(status, decision, runs, now)
    conditions = status.conditions
    for type_, verdict in (
        (READY, decision.ready),
        (UP_TO_DATE, decision.up_to_date),
        (CATALOG_READABLE, _readable(releases)),
    ):
        found = Condition(
            type_, verdict.status, verdict.reason, verdict.message, observed_generation=profile.metadata.generation
        )
        conditions = set_condition(conditions, found, now)
    return replace(status, conditions=conditions)


def _with_trigger(
    status: AutoUpgradeProfileStatus, decision: Decision, runs: Iterable[UpdateRun], now: datetime
) -> AutoUpgradeProfileStatus:
    """What was last triggered: a run, or one that was due and could not be made."""
    if decision.problem is not None:
        error = ErrorDetail(code=RUN_REFUSED, message=str(decision.problem))
        if status.last_trigger_error == error:
            return status
        return replace(
            status,
            last_triggered_at=format_time(now),
            last_trigger_status="Failed",
            last_trigger_error=error,
            last_trigger_message="an update run is due and could not be made",
            last_trigger_upgrade_versions=(),
        )
    made = history.newest(run for run in runs if history.trigger_of(run) is not None)
    if made is None or made.metadata.name == status.last_update_run:
        return status
    if (made.metadata.creation_timestamp or "") < (status.last_triggered_at or ""):
        return status  # the newest has been deleted since
    return replace(
        status,
        last_triggered_at=made.metadata.creation_timestamp,
        last_trigger_status="Succeeded",
        last_trigger_error=None,
        last_trigger_message=_made(made),
        last_trigger_upgrade_versions=history.versions_of(made),
        last_update_run=made.metadata.name,
    )


def _made(run: UpdateRun) -> str:
    to = listed(history.versions_of(run))
    if history.trigger_of(run) == "CatchUp":
        return f"update run {run.metadata.name} was made and started, to catch members up to {to}"
    return f"update run {run.metadata.name} was made and started, as the channel came to {to}"


def _readable(releases: Releases) -> Verdict:
    unreadable = releases.catalogue.unreadable
    if unreadable:
        return Verdict("False", UNREADABLE, f"left out of the release catalogue: {listed(unreadable)}")
    return Verdict("True", READ, "all entries of the release catalogue can be read")
