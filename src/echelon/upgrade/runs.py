"""The controller of update runs: reads what is, lets the engine decide, carries it out, reports.

A run is planned once, into its status, and carried out from there. A pass: rounds of observe, decide and start until
nothing more is to be started now; then gates; then, if it is time, one write of the status.

What happens outside happens before the status says so. A pass that dies in between is repeated with the same outcome:
a ClusterUpgrade has a name that follows from run, attempt and member, a Gate one that follows from run and place, so
making one twice is making it once, and what was made is seen by the next pass whatever the status says. That is why
the status need not be written each time a member moves: it is written at once when the run, a stage or a group
changes, and otherwise at most every ``status_interval``, which is longer the more members there are. In between, the
progress is kept in memory, for the sake of its exact times and of what providers have said.

Two things are written before anything is started, as they could not be found again: the plan, and with the start of
the run the images that it settles on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.conditions import INITIALIZED, find_condition
from echelon.api.fleet import NodeImageVersion, UpdateRun, UpdateRunStatus
from echelon.api.meta import Clock, ObjectMeta
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeSpec
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import AlreadyExists, ApiError, NotFound
from echelon.rollout import Decision, InvalidPlan, Plan, Progress, Start, State, decide
from echelon.upgrade import conditions, images, moments, planning, reporting
from echelon.upgrade.fleet import Fleet, has_ended, member_name
from echelon.upgrade.gates import Gates
from echelon.upgrade.observation import NO_NAMESPACE, START_FAILED, Observation, Obstacle, View, has_begun, observe
from echelon.upgrade.patching import status_patch
from echelon.upgrade.planning import plan_hash
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.translation import plan_of, progress_of
from echelon.upgrade.validation import Problem, order_of, run_problems
from echelon.upgrade.versions import KubeVersion
from echelon.upgrade.windows import Windows

log = structlog.get_logger(__name__)

_LATE = 0.001  # seconds after a moment at which a timer for it fires: one that fired a hair early would be for nothing


class _Memory(Struct, frozen=True):
    """How far a run was at the end of a pass: right as long as the status on the hub is still ``status``.

    ``reported`` is what that is to become; it differs from ``status`` while its write is not due.
    """

    uid: str
    status: UpdateRunStatus
    reported: UpdateRunStatus
    plan: Plan
    progress: Progress
    written_at: float


class _Round(Struct, frozen=True):
    """What the last round of a pass came to."""

    decision: Decision
    seen: Observation
    upgrades: Mapping[str, ClusterUpgrade]
    failures: Sequence[Exception]


class UpdateRunReconciler:
    """Reconciles UpdateRuns."""

    def __init__(self, client: Client, fleet: Fleet, gates: Gates, settings: UpgradeSettings, clock: Clock) -> None:
        self._client = client
        self._fleet = fleet
        self._gates = gates
        self._settings = settings
        self._clock = clock
        self._memories: dict[str, _Memory] = {}
        self._windows = Windows()

    async def reconcile(self, request: Request) -> Result | None:
        run = self._fleet.run(request.name)
        await self._sweep(request.name, "" if run is None else run.metadata.uid)
        if run is None or run.metadata.deletion_timestamp is not None:
            self._memories.pop(request.name, None)
            return None
        if run.status.state == "Completed":
            self._memories.pop(request.name, None)
            await self._write(run, replace(run.status, observed_generation=run.metadata.generation))
            return None
        if run.status.start_time is None:
            planned = await self._plan(run)
            if planned is None:
                return None
            run = planned
        return await self._execute(run)

    async def _sweep(self, name: str, uid: str) -> None:
        """Delete the upgrades of runs that are gone. What was begun goes on, and is deleted once it has ended."""
        for upgrade in self._fleet.orphans(name, uid):
            if has_ended(upgrade) or not has_begun(upgrade):
                version = upgrade.metadata.resource_version
                await self._client.delete(ClusterUpgrade, upgrade.key, resource_version=version, missing_ok=True)

    # planning

    async def _plan(self, run: UpdateRun) -> UpdateRun | None:
        """The run, planned if it was not, or not as it is now; None while it cannot be."""
        digest, initialized = plan_hash(run), find_condition(run.status.conditions, INITIALIZED)
        if initialized is not None and initialized.status == "True" and run.status.plan_hash == digest:
            return run
        now = self._clock.now()
        around = self._fleet.surroundings(now)
        problems = run_problems(run, around)
        status = run.status
        if not problems:
            order = order_of(run, around.strategies)
            status = UpdateRunStatus(
                state="NotStarted",
                strategy=order,
                stages=planning.planned(order, around.members, self._settings),
                plan_hash=digest,
                conditions=run.status.conditions,
            )
            problems = [*_plan_problems(status), *planning.size_problems(status, self._settings)]
        if problems:
            log.warning("run cannot be planned", run=run.metadata.name, problems=[str(found) for found in problems])
            await self._write(run, conditions.invalid(run, problems, now))
            return None
        status = self._with_images(run, status, now)
        log.info("run planned", run=run.metadata.name, stages=len(status.stages))
        return await self._write(run, conditions.initialized(run, status, now))

    def _with_images(self, run: UpdateRun, status: UpdateRunStatus, now: datetime) -> UpdateRunStatus:
        """The status with the images that the run would settle on now."""
        fleet = self._fleet.members()
        members = [fleet[name] for name in planning.names_in(status.stages) & fleet.keys()]
        chosen = images.selected(run.spec.managed_cluster_update, members, self._fleet.releases(now))
        return replace(status, node_image_selection=chosen)

    async def _begin(self, run: UpdateRun, status: UpdateRunStatus) -> UpdateRun:
        """Write down that the run was started, and with which images, before anything is."""
        moment = self._clock.now()
        log.info("run started", run=run.metadata.name)
        started = moments.write(moment)
        return await self._write(run, replace(status, start_time=started))

    # execution

    async def _execute(self, run: UpdateRun) -> Result | None:
        name, now = run.metadata.name, self._clock.now()
        members, begun = self._fleet.members(), self._fleet.upgrades(run).keys()
        known = self._known(run)
        fresh = planning.refreshed(known.stages, known.strategy, members.values(), self._settings, begun)
        status = replace(known, stages=fresh) if fresh is not known.stages else known
        if run.status.start_time is None:
            status = self._with_images(run, status, now)
            if run.spec.state == "Run":
                run = await self._begin(run, status)
                status = run.status
        plan, progress = self._recall(run, status)
        round_ = await self._carry_out(run, status, plan, progress)
        gates = await self._gates.settle(run, status, round_.decision, self._clock.now())
        late = planning.not_covered(status.stages, status.strategy, members.values())
        reporter = reporting.Reporter(run, plan, round_.upgrades, round_.seen.obstacles, gates, late, self._clock.now())
        reported = reporter.report(status, round_.decision)
        delay = await self._write_when_due(run, reported, plan, round_.decision.progress)
        if round_.failures:
            raise round_.failures[0]
        log.debug("run reconciled", run=name, state=reported.state, starts=len(round_.decision.start))
        return self._next(round_, delay)

    def _memory(self, run: UpdateRun) -> _Memory | None:
        memory = self._memories.get(run.metadata.name)
        return memory if memory is not None and memory.uid == run.metadata.uid else None

    def _known(self, run: UpdateRun) -> UpdateRunStatus:
        """The status of a run, with what was found out since it was written."""
        memory = self._memory(run)
        return memory.reported if memory is not None and memory.status == run.status else run.status

    def _recall(self, run: UpdateRun, status: UpdateRunStatus) -> tuple[Plan, Progress]:
        """Plan and progress: as remembered, or read from the status."""
        memory = self._memory(run)
        if memory is not None and status.stages is memory.reported.stages and memory.status == run.status:
            return memory.plan, memory.progress
        plan = plan_of(status)
        return plan, progress_of(plan, status)

    async def _carry_out(self, run: UpdateRun, status: UpdateRunStatus, plan: Plan, progress: Progress) -> _Round:
        """Observe, decide and start, again and again, until nothing more is to be started now."""
        found: dict[str, ClusterUpgrade] = {}
        refused: dict[str, Obstacle] = {}
        failures: list[Exception] = []
        while True:
            now = self._clock.now()
            view = self._view(run, status, found, refused, now)
            seen = observe(run, status, progress, view, self._windows.of, now)
            for upgrade in seen.withdrawn:
                await self._withdraw(upgrade)
                refused[member_name(upgrade)] = seen.obstacles[member_name(upgrade)]
            decision = decide(plan, progress, seen.facts, now)
            stops = decision.progress.state is State.STOPPING and progress.state is not State.STOPPING
            progress = decision.progress
            if not decision.start and not stops:
                return _Round(decision, seen, view.upgrades, failures)
            outcomes = await asyncio.gather(*(self._start(run, status, start, view) for start in decision.start))
            for start, outcome in zip(decision.start, outcomes, strict=True):
                if isinstance(outcome, ClusterUpgrade):
                    found[start.target] = outcome
                else:
                    refused[start.target], failure = outcome
                    failures += [failure] if failure is not None else []

    def _view(
        self,
        run: UpdateRun,
        status: UpdateRunStatus,
        found: Mapping[str, ClusterUpgrade],
        refused: Mapping[str, Obstacle],
        now: datetime,
    ) -> View:
        upgrades = dict(self._fleet.upgrades(run))
        for name, upgrade in found.items():  # those that were there already may not be in the cache yet
            if name not in upgrades or upgrades[name].spec.attempt < upgrade.spec.attempt:
                upgrades[name] = upgrade
        return View(
            members=self._fleet.members(),
            upgrades=upgrades,
            rivals=self._fleet.rivals(run),
            releases=self._fleet.releases(now),
            approvals=self._gates.approvals(run, status, now),
            refused=refused,
        )

    async def _withdraw(self, upgrade: ClusterUpgrade) -> None:
        """Take an upgrade back, unless its provider has begun meanwhile: then that is a conflict, and seen next."""
        version = upgrade.metadata.resource_version
        await self._client.delete(ClusterUpgrade, upgrade.key, resource_version=version, missing_ok=True)

    async def _start(
        self, run: UpdateRun, status: UpdateRunStatus, start: Start, view: View
    ) -> ClusterUpgrade | tuple[Obstacle, Exception | None]:
        """Ask for the upgrade of a member; gives it, or why it could not be asked for and what was raised."""
        upgrade = wanted_upgrade(run, status, start, view)
        try:
            created = await self._client.create(upgrade)
        except AlreadyExists:
            return await self._client.get(ClusterUpgrade, upgrade.key)
        except NotFound:
            namespace = upgrade.metadata.namespace
            return Obstacle(NO_NAMESPACE, f"its namespace {namespace} does not exist on the hub yet"), None
        except ApiError as error:
            return Obstacle(START_FAILED, f"its upgrade could not be requested: {error}"), error
        log.info("member started", run=run.metadata.name, stage=start.stage, member=start.target)
        return created

    # status

    async def _write_when_due(
        self, run: UpdateRun, status: UpdateRunStatus, plan: Plan, progress: Progress
    ) -> float | None:
        """Write the status now or, if it was written a moment ago and nothing big changed, say in how long."""
        memory, now = self._memory(run), asyncio.get_running_loop().time()
        written_at = float("-inf") if memory is None else memory.written_at
        delay = written_at + self._status_interval(plan) - now
        due = delay <= 0 or _outline(status) != _outline(run.status)
        if due and status != run.status:
            run = await self._write(run, status)
            written_at = now
        self._memories[run.metadata.name] = _Memory(run.metadata.uid, run.status, status, plan, progress, written_at)
        return delay if not due and status != run.status else None

    def _status_interval(self, plan: Plan) -> float:
        settings = self._settings
        return settings.status_interval + settings.status_interval_per_member * len(plan.places.targets)

    async def _write(self, run: UpdateRun, status: UpdateRunStatus) -> UpdateRun:
        """Write the status, if it differs, provided that the run has not changed since it was read."""
        patch = status_patch(run, status)
        if patch is None:
            return run
        return await self._client.patch(UpdateRun, run.key, patch, subresource="status")

    def _next(self, round_: _Round, delay: float | None) -> Result | None:
        """When the run has to be looked at again, if nothing happens until then."""
        now = self._clock.now()
        due = [round_.decision.wake_at]
        if round_.seen.obstacles:
            due.append(self._fleet.releases(now).changes_at)
        seconds = [max(0.0, (moment - now).total_seconds()) for moment in due if moment is not None]
        seconds += [delay] if delay is not None else []
        return Result(requeue_after=min(seconds) + _LATE) if seconds else None


def upgrade_name(run: UpdateRun, attempt: int) -> str:
    """The name of the ClusterUpgrade of each member in an attempt of a run; the namespace tells members apart."""
    digest = hashlib.sha256(run.metadata.uid.encode()).hexdigest()
    return f"{run.metadata.name}-{attempt}-{digest[:8]}"


def wanted_upgrade(run: UpdateRun, status: UpdateRunStatus, start: Start, view: View) -> ClusterUpgrade:
    """The ClusterUpgrade that starts a member. One that failed before is tried again with the target it had."""
    before = view.upgrades.get(start.target)
    spec = _spec(run, status, start, view) if before is None else replace(before.spec, attempt=start.attempt)
    return ClusterUpgrade(
        metadata=ObjectMeta(
            name=upgrade_name(run, start.attempt),
            namespace=names.member_namespace(start.target),
            labels={names.UPDATE_RUN: run.metadata.name, names.UPDATE_RUN_UID: run.metadata.uid},
        ),
        spec=spec,
    )


def _spec(run: UpdateRun, status: UpdateRunStatus, start: Start, view: View) -> ClusterUpgradeSpec:
    update, member = run.spec.managed_cluster_update, view.members[start.target]
    target = update.upgrade
    if target.kubernetes_version is not None:
        wanted = KubeVersion.parse(target.kubernetes_version)
        version = view.releases.newest(wanted, member.region) or wanted
        target = replace(target, kubernetes_version=str(version))
    chosen = images.images_for(update, status.node_image_selection, member, view.releases)
    return ClusterUpgradeSpec(
        upgrade=target,
        node_image_versions=tuple(NodeImageVersion(version=str(image)) for image in chosen),
        cluster_resource_id=member.cluster_resource_id,
        update_run=run.metadata.name,
        attempt=start.attempt,
    )


def _plan_problems(status: UpdateRunStatus) -> list[Problem]:
    try:
        plan_of(status)
    except InvalidPlan as error:
        return [Problem("spec", problem) for problem in error.problems]
    return []


def _outline(status: UpdateRunStatus) -> object:
    """What of a status is shown at once: how the run, its stages and its groups are."""
    stages = [
        (stage.state, stage.after_stage_wait_status, [(group.state, group.before_gates) for group in stage.groups])
        for stage in status.stages
    ]
    return status.state, stages
