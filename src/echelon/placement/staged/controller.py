"""The controller of staged runs: reads what is, lets the engine decide, carries it out, reports.

A pass: finalizer, validation, then rounds of decide and act until nothing more is to be started now,
and one write of the status at the end. Everything outside happens before the status says so, so a
pass that dies in between is repeated with the same outcome: starting a member whose binding already
has what it should have writes nothing, and asking twice for an approval asks once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.conditions import (
    INITIALIZED,
    ROLLOUT_STARTED,
    SCHEDULED,
    SUCCEEDED,
    find_condition,
)
from echelon.api.meta import Clock
from echelon.api.staged import UpdateRunStatus
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.kinds import Key
from echelon.placement.binder import Binder, has_note, is_started
from echelon.placement.index import Related
from echelon.placement.keeper import SnapshotKeeper, index_of
from echelon.placement.overrides.choice import Overrides, SnapshotAwaited, frozen
from echelon.placement.pace import remaining, sooner, spacing
from echelon.placement.placements import PlacementReconciler
from echelon.placement.scope import Binding, PolicySnapshot, Run, Scope
from echelon.placement.selection import BadSelector
from echelon.placement.settings import PlacementSettings
from echelon.placement.staged import initialization, observation, reporting
from echelon.placement.staged.approvals import Approvals, ApprovalTaken
from echelon.placement.staged.initialization import CannotInitialize, NotYet, PolicyView, Surroundings
from echelon.placement.staged.translation import cluster_name, plan_of, progress_of
from echelon.placement.staged.validation import Outdated, validate
from echelon.rollout import Decision, InvalidPlan, Plan, Start, decide

log = structlog.get_logger(__name__)


class StagedRunReconciler:
    """Reconciles the staged runs of one scope."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        related: Related,
        keeper: SnapshotKeeper,
        placements: PlacementReconciler,
        overrides: Overrides,
        scope: Scope,
        settings: PlacementSettings,
        clock: Clock,
    ) -> None:
        self._client = client
        self._cache = cache
        self._related = related
        self._keeper = keeper
        self._placements = placements
        self._overrides = overrides
        self._scope = scope
        self._dialect = settings.dialect
        self._status_interval = settings.run_status_interval
        self._due: dict[Key, float] = {}
        self._clock = clock
        self._binder = Binder(client, clock)
        self._approvals = Approvals(client, cache, related, scope, clock)

    async def reconcile(self, request: Request) -> Result | None:
        run = self._related.run(request.key)
        if run is None:
            self._due.pop(request.key, None)
            return None
        if run.metadata.deletion_timestamp is not None:
            await self._clean_up(run)
            return None
        if _is_over(run):
            return await self._write(run, reporting.observed(run.status, run.metadata.generation))
        run = await self._hold(run)
        if find_condition(run.status.conditions, SUCCEEDED) is None and not _is_initialized(run):
            status = await self._initialize(run)
            if not _initialized(status):
                return await self._write(run, status)
            run = msgspec.structs.replace(run, status=status)
            return await self._execute(run, fresh=True)
        return await self._execute(run, fresh=False)

    # begin and end

    async def _hold(self, run: Run) -> Run:
        if names.STAGED_RUN_CLEANUP in run.metadata.finalizers:
            return run
        finalizers = (*run.metadata.finalizers, names.STAGED_RUN_CLEANUP)
        metadata = msgspec.structs.replace(run.metadata, finalizers=finalizers)
        return await self._client.patch_object(run, msgspec.structs.replace(run, metadata=metadata), lock=True)

    async def _clean_up(self, run: Run) -> None:
        """Delete the approval requests; what the run has rolled out so far stays as it is."""
        if names.STAGED_RUN_CLEANUP not in run.metadata.finalizers:
            return
        for approval in self._related.approvals(run.key):
            await self._client.delete(self._scope.approval, approval.key, missing_ok=True)
        rest = tuple(f for f in run.metadata.finalizers if f != names.STAGED_RUN_CLEANUP)
        metadata = msgspec.structs.replace(run.metadata, finalizers=rest)
        await self._client.patch_object(run, msgspec.structs.replace(run, metadata=metadata), lock=True)

    async def _write(self, run: Run, status: UpdateRunStatus, result: Result | None = None) -> Result | None:
        current = self._related.run(run.key) or run
        await self._client.patch_status(current, msgspec.structs.replace(current, status=status))
        return result

    def _writer(self, run: Run) -> reporting.Writer:
        return reporting.Writer(
            run.metadata.generation, self._clock.now(), self._dialect, self._scope.approval.resource.kind
        )

    # initialisation

    async def _initialize(self, run: Run) -> UpdateRunStatus:
        writer, before = self._writer(run), run.status.conditions
        try:
            around = self._surroundings(run)
            initialization.external_placement(around)
            initialization.latest_policy(around)
            index = await self._snapshot_index(run)
            status = initialization.initialize(run.metadata.name, around, index, self._dialect)
            status = self._freeze_overrides(run, status)
            plan_of(status)
        except NotYet as obstacle:
            conditions = reporting.waiting_to_initialize(writer, before, str(obstacle))
            return msgspec.structs.replace(run.status, conditions=conditions)
        except (CannotInitialize, InvalidPlan) as problem:
            conditions = reporting.not_initialized(writer, before, str(problem))
            return msgspec.structs.replace(run.status, conditions=conditions)
        log.info("run initialized", run=run.metadata.name, snapshot_index=index)
        return msgspec.structs.replace(status, conditions=reporting.initialized(writer, before))

    def _freeze_overrides(self, run: Run, status: UpdateRunStatus) -> UpdateRunStatus:
        """Plan the overrides as they are now: those that change later are for later runs."""
        placement = (run.metadata.namespace, run.spec.placement_name)
        parts = self._keeper.parts(placement, int(status.resource_snapshot_index_used))
        try:
            return frozen(status, self._overrides.choice(placement, parts or ()))
        except SnapshotAwaited as obstacle:
            raise NotYet(str(obstacle)) from obstacle

    def _surroundings(self, run: Run) -> Surroundings:
        namespace = run.metadata.namespace
        key = (namespace, run.spec.placement_name)
        placement = self._related.placement(key)
        strategy_name = run.spec.staged_rollout_strategy_name
        strategy = self._related.strategy((namespace, strategy_name))
        return Surroundings(
            placement=None if placement is None else placement.spec,
            policies=[
                _policy_view(snapshot)
                for snapshot in self._related.policy_snapshots(key)
                if snapshot.metadata.labels.get(names.IS_LATEST_SNAPSHOT) == "true"
            ],
            bindings=[
                initialization.BindingView(binding.metadata, binding.spec) for binding in self._related.bindings(key)
            ],
            strategy=None if strategy is None else strategy.spec,
            strategy_key=f"{namespace}/{strategy_name}",
            members=self._cache.list(MemberCluster),
        )

    async def _snapshot_index(self, run: Run) -> str:
        """The index of the snapshot to roll out; without one in the spec, of what is selected at this moment."""
        key = (run.metadata.namespace, run.spec.placement_name)
        text = run.spec.resource_snapshot_index
        if not text:
            placement = self._related.placement(key)
            if placement is None:
                raise CannotInitialize(f"{initialization.CLIENT_ERROR}parent placement not found")
            try:
                return str(index_of(await self._placements.snapshot_now(placement)))
            except BadSelector as error:
                raise CannotInitialize(f"{initialization.CLIENT_ERROR}{error}") from error
        if not (text.isdecimal() and text.isascii()):
            raise CannotInitialize(
                f"{initialization.CLIENT_ERROR}invalid resource snapshot index `{text}` provided, "
                "expected an integer >= 0"
            )
        index = int(text)
        if self._keeper.parts(key, index) is None:
            where = "/".join(part for part in key if part)
            raise CannotInitialize(
                f"{initialization.CLIENT_ERROR}no resourceSnapshots with index `{index}` found for placement `{where}`"
            )
        return str(index)

    # execution

    async def _execute(self, run: Run, *, fresh: bool) -> Result | None:
        writer = self._writer(run)
        status = reporting.observed(run.status, run.metadata.generation)
        try:
            if not fresh:
                validate(status, self._surroundings(run), self._dialect)
            plan = plan_of(status)
        except (Outdated, InvalidPlan) as problem:
            return await self._write(run, reporting.aborted(writer, status, str(problem)))
        decision = await self._carry_out(run, status, plan)
        try:
            requested = await self._approvals.request(run, status, decision)
        except ApprovalTaken as problem:
            return await self._write(run, reporting.aborted(writer, status, initialization.UNEXPECTED + str(problem)))
        latecomers = observation.latecomers(status, self._selected(run))
        reported = reporting.report(writer, status, decision.progress, requested, latecomers)
        following = _next(decision, self._clock.now())
        pause = self._pause(run, reported)
        if pause > 0:
            return sooner(pause, following)
        began = asyncio.get_running_loop().time()
        result = await self._write(run, reported, following)
        took = asyncio.get_running_loop().time() - began
        self._due[run.key] = began + spacing(self._status_interval, took)
        return result

    def _pause(self, run: Run, reported: UpdateRunStatus) -> float:
        """How long the status may wait, in seconds, so that members that end in quick succession share a write.

        Only what is said of single members waits: their progress, which can be told from their bindings
        at any time, and who joined too late. What happens to the run or a stage is written at once.
        """
        if _outline(run.status) != _outline(reported):
            return 0.0
        return remaining(self._due.get(run.key, float("-inf")))

    async def _carry_out(self, run: Run, status: UpdateRunStatus, plan: Plan) -> Decision:
        """Decide and start, again and again, until nothing more is to be started now."""
        progress = progress_of(plan, status)
        begun: frozenset[str] = frozenset()
        while True:
            seen = observation.observe(
                run,
                status,
                progress,
                begun,
                bindings=self._related.bindings((run.metadata.namespace, run.spec.placement_name)),
                members=frozenset(member.metadata.name for member in self._cache.list(MemberCluster)),
                selected=self._selected(run),
                approvals=await self._approvals.accept(run, status),
                dialect=self._dialect,
            )
            decision = decide(plan, progress, seen, self._clock.now())
            progress = decision.progress
            if not decision.start:
                await self._keep_started(run, status, decision)
                return decision
            await asyncio.gather(*(self._start(run, status, start) for start in decision.start))
            begun |= {start.target for start in decision.start}

    def _selected(self, run: Run) -> frozenset[str]:
        """The members that the scheduler chose for the run's placement."""
        snapshots = self._related.policy_snapshots((run.metadata.namespace, run.spec.placement_name))
        return frozenset(
            decision.cluster_name
            for snapshot in snapshots
            if snapshot.metadata.labels.get(names.IS_LATEST_SNAPSHOT) == "true"
            for decision in snapshot.status.target_clusters
            if decision.selected
        )

    async def _start(self, run: Run, status: UpdateRunStatus, start: Start) -> None:
        binding = self._binding_of(run, cluster_name(start.target))
        if binding is None:
            return
        if start.stage == names.DELETE_STAGE:
            await self._client.delete(self._scope.binding, binding.key, uid=binding.metadata.uid, missing_ok=True)
            return
        wanted = observation.wanted_spec(binding, run, status)
        labels = self._overrides.labels_of_note(wanted)
        noted = {} if labels is None else {names.OVERRIDE_LABELS: labels}
        message = observation.started_message(run)
        if binding.spec != wanted or not has_note(binding, noted):
            log.info("member started", run=run.metadata.name, stage=start.stage, member=binding.spec.target_cluster)
            note = {names.UPDATE_RUN_UID: run.metadata.uid, **noted}
            await self._binder.start(binding, wanted, note, ROLLOUT_STARTED, message)
        elif not is_started(binding):
            await self._binder.mark(binding, "True", ROLLOUT_STARTED, message)

    async def _keep_started(self, run: Run, status: UpdateRunStatus, decision: Decision) -> None:
        """Start members again whose binding the scheduler changed before anything came of their start."""
        for target in reporting.updating(decision.progress):
            binding = self._binding_of(run, cluster_name(target.name))
            if binding is None or is_started(binding) or not observation.is_up_to_date(binding, run, status):
                continue
            await self._binder.mark(binding, "True", ROLLOUT_STARTED, observation.started_message(run))

    def _binding_of(self, run: Run, cluster: str) -> Binding | None:
        placement = (run.metadata.namespace, run.spec.placement_name)
        return next((b for b in self._related.bindings(placement) if b.spec.target_cluster == cluster), None)

    # who is concerned by what

    def uninitialized(self) -> Sequence[Request]:
        """The runs that have not begun yet."""
        return [
            Request(*run.key)
            for placement in self._related.placements()
            for run in self._related.runs(placement.key)
            if not _is_initialized(run) and not _is_over(run)
        ]

    def runs_of(self, placement: Key) -> Sequence[Request]:
        """The runs of a placement that have not come to their end."""
        return [Request(*run.key) for run in self._related.runs(placement) if not _is_over(run)]


def _is_initialized(run: Run) -> bool:
    return _initialized(run.status)


def _initialized(status: UpdateRunStatus) -> bool:
    condition = find_condition(status.conditions, INITIALIZED)
    return condition is not None and condition.status == "True"


def _is_over(run: Run) -> bool:
    """Whether the run has come to its end: it succeeded, failed, or could not be initialised."""
    initialized = find_condition(run.status.conditions, INITIALIZED)
    if initialized is not None and initialized.status == "False":
        return True
    return find_condition(run.status.conditions, SUCCEEDED) is not None


def _policy_view(snapshot: PolicySnapshot) -> PolicyView:
    scheduled = find_condition(snapshot.status.conditions, SCHEDULED)
    done = scheduled is not None and scheduled.status == "True"
    current = scheduled is not None and scheduled.observed_generation == snapshot.metadata.generation
    return PolicyView(
        name=snapshot.metadata.name,
        index=snapshot.metadata.labels.get(names.POLICY_INDEX),
        policy=snapshot.spec.policy,
        number_of_clusters=snapshot.metadata.annotations.get(names.NUMBER_OF_CLUSTERS),
        scheduled=done and current,
        obstacle="" if scheduled is None or done else scheduled.message,
    )


def _outline(status: UpdateRunStatus) -> object:
    """A status without what it says of single members."""
    stages = [*status.stages_status, *filter(None, [status.deletion_stage_status])]
    conditions = [msgspec.structs.replace(each, message=reporting.plain_message(each)) for each in status.conditions]
    return conditions, [msgspec.structs.replace(stage, clusters=()) for stage in stages]


def _next(decision: Decision, now: datetime) -> Result | None:
    """When the run has to be looked at again, if nothing happens until then."""
    moments = [decision.wake_at, reporting.stuck_at(decision.progress, now)]
    due = min((moment for moment in moments if moment is not None), default=None)
    return None if due is None else Result(requeue_after=max(0.0, (due - now).total_seconds()))
