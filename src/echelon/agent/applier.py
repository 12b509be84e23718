"""The work applier: a Work on the hub becomes objects on the member.

A pass applies the manifests wave by wave, removes what the Work no longer names, and reports once at
the end. It comes again when the Work changes and when an object that the Work names changes (which is
how it learns that a workload is ready, and how drift is undone); by the clock only as ``pace`` says.

A member that is quick gets one report: what was applied and is not available yet has a moment
(``REPORT_DELAY``) to become so. One that is slow gets one before, after ``PREPARING_DELAY``.

What was applied belongs to an AppliedWork of the same name on the member; when the Work goes, the
AppliedWork is deleted with everything it owns, and only then the Work is let go. A Work whose objects the hub
abandons leaves them behind, owned by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from echelon.agent.finalizers import hold, release
from echelon.agent.ledger import Ledger, Leftover
from echelon.agent.manifests import Manifest, read_manifests
from echelon.agent.metrics import APPLY_SECONDS, count
from echelon.agent.objects import ObjectApplier, Outcome
from echelon.agent.pace import Pace
from echelon.agent.watching import MemberWatch
from echelon.agent.waves import in_waves
from echelon.agent.work_status import Report, diff_status, preparing_status, work_status
from echelon.api import names
from echelon.api.conditions import APPLIED, DIFF_REPORTED, find_condition
from echelon.api.meta import Clock
from echelon.api.placement import ApplyStrategy
from echelon.api.work import AppliedWork, Work
from echelon.kube.client import Client
from echelon.kube.controller import Request, Result
from echelon.kube.errors import NotFound
from echelon.kube.informer import Informer
from echelon.kube.patches import MergePatch

REPORT_DELAY = 0.25
PREPARING_DELAY = 1.0
PARALLEL_WRITES = 8  # manifests of a Work that are under way at once

log = structlog.get_logger(__name__)


class WorkApplier:
    """Applies the Works of one member."""

    def __init__(
        self,
        hub: Client,
        works: Informer[Work],
        objects: ObjectApplier,
        watch: MemberWatch,
        ledger: Ledger,
        clock: Clock,
        *,
        belongs: Callable[[], bool],
        leaves: Callable[[], bool],
    ) -> None:
        """``belongs`` and ``leaves``: whether the hub wants the member, or wants it to leave."""
        self._hub = hub
        self._works = works
        self._objects = objects
        self._watch = watch
        self._ledger = ledger
        self._clock = clock
        self._belongs = belongs
        self._leaves = leaves
        self._pace = Pace()
        self._report_due: dict[str, tuple[tuple[str, int], float]] = {}

    async def reconcile(self, request: Request) -> Result | None:
        work = self._works.get(request.key)
        if work is None:
            await self._forget(request.name)
            return None
        if self._leaves():
            await release(self._hub, work)
            return None
        if not self._belongs() or not self._ledger.has_synced:
            return None  # both come as a change
        if work.metadata.deletion_timestamp is not None:
            return await self._clean_up(work)
        name, generation = work.metadata.name, work.metadata.generation
        if wait := self._pace.wait(name, generation, _time()):
            return Result(requeue_after=wait)
        work = await hold(self._hub, work)
        manifests = read_manifests(work.spec.workload.manifests)
        strategy = work.spec.apply_strategy or ApplyStrategy()
        if strategy.type == "ReportDiff":
            return await self._compare(work, manifests, strategy)
        owner = await self._ledger.open(work)
        if owner.metadata.deletion_timestamp is not None:
            return _after((await self._ledger.hasten(owner)).total_seconds())
        owner = await self._ledger.announce(owner, manifests)
        with APPLY_SECONDS.time():
            outcomes = await self._apply(work, manifests, owner, strategy)
        leftovers = await self._ledger.settle(owner, outcomes)
        self._pace.applied(name, generation, _time(), wrote=any(outcome.wrote for outcome in outcomes))
        report = work_status(work.status, outcomes, generation, self._clock.now(), mirror=_mirrors(work))
        return await self._report(work, report, outcomes, leftovers)

    async def _clean_up(self, work: Work) -> Result | None:
        """Remove everything that was applied, unless the hub abandons it, then let the Work go."""
        if names.WORK_CLEANUP not in work.metadata.finalizers:
            return None
        wait = await self._ledger.close(
            work.metadata.name, abandon=work.metadata.annotations.get(names.ABANDONED) == "true"
        )
        if wait is not None:
            return _after(wait.total_seconds())
        await release(self._hub, work)
        return None

    async def _compare(self, work: Work, manifests: Sequence[Manifest], strategy: ApplyStrategy) -> Result | None:
        name = work.metadata.name
        limit = asyncio.Semaphore(PARALLEL_WRITES)
        outcomes = await asyncio.gather(*(self._one(limit, each, name, None, strategy) for each in manifests))
        report = diff_status(work.status, outcomes, work.metadata.generation, self._clock.now())
        return await self._report(work, report, outcomes, ())

    async def _apply(
        self, work: Work, manifests: Sequence[Manifest], owner: AppliedWork, strategy: ApplyStrategy
    ) -> list[Outcome]:
        """Apply all manifests; when that takes its time, say so meanwhile."""
        applying = asyncio.create_task(self._apply_in_waves(work.metadata.name, manifests, owner, strategy))
        try:
            await asyncio.wait([applying], timeout=PREPARING_DELAY)
            if not applying.done() and not _is_reported(work):
                await self._announce(work, manifests)
            return await applying
        finally:
            applying.cancel()

    async def _announce(self, work: Work, manifests: Sequence[Manifest]) -> None:
        """Write a status that has no condition yet, which is why it is sent whole: a list must be there."""
        status = preparing_status(work.status, manifests, self._clock.now())
        content = {"status": msgspec.to_builtins(status)}
        await self._hub.patch(Work, work.key, MergePatch(content), subresource="status")

    async def _apply_in_waves(
        self, name: str, manifests: Sequence[Manifest], owner: AppliedWork, strategy: ApplyStrategy
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        limit = asyncio.Semaphore(PARALLEL_WRITES)
        for wave in in_waves((each.group, each.kind, each) for each in manifests):
            outcomes += await asyncio.gather(*(self._one(limit, each, name, owner, strategy) for each in wave))
        return outcomes

    async def _one(
        self,
        limit: asyncio.Semaphore,
        manifest: Manifest,
        name: str,
        owner: AppliedWork | None,
        strategy: ApplyStrategy,
    ) -> Outcome:
        async with limit:
            return await self._objects.apply(manifest, name, owner, strategy)

    async def _report(
        self, work: Work, report: Report, outcomes: Sequence[Outcome], leftovers: Sequence[Leftover]
    ) -> Result | None:
        """Write the status, unless the member may be about to say more, and say when to look again."""
        name = work.metadata.name
        count(report.status, outcomes)
        await self._watch.retain(name, (outcome.place for outcome in outcomes if outcome.place is not None))
        if wait := self._patience(work, report):
            return Result(requeue_after=wait)
        self._report_due.pop(name, None)
        try:
            await self._hub.patch_status(work, msgspec.structs.replace(work, status=report.status))
        except NotFound:
            return None  # the Work has gone meanwhile
        again = [(each.reason, each.manifest.ordinal) for each in outcomes if each.retry]
        again += [("NotRemoved", left.record.ordinal) for left in leftovers]
        if not again:
            self._pace.succeeded(name)
            return None
        delay = self._pace.failed(name, (work.metadata.generation, *again))
        errors = [*(each.message for each in outcomes if each.retry), *(left.error for left in leftovers)]
        log.info("a Work is looked at again", work=name, retry_in=delay, manifests=len(again), first=errors[0])
        return Result(requeue_after=delay)

    def _patience(self, work: Work, report: Report) -> float:
        """Seconds that a first report may still wait for the member, 0 when it is to be written."""
        if report.settled or report.failed or _is_reported(work):
            return 0.0
        version = work.metadata.uid, work.metadata.generation
        known, due = self._report_due.get(work.metadata.name, (None, 0.0))
        if known != version:
            due = _time() + REPORT_DELAY
            self._report_due[work.metadata.name] = version, due
        return max(0.0, due - _time())

    async def _forget(self, name: str) -> None:
        await self._watch.forget(name)
        self._objects.forget(name)
        self._pace.forget(name)
        self._report_due.pop(name, None)


def _mirrors(work: Work) -> bool:
    """Whether the status of the objects comes back to the hub."""
    strategy = work.spec.report_back_strategy
    return strategy is not None and strategy.type == "Mirror"


def _is_reported(work: Work) -> bool:
    """Whether the status speaks of the Work as it is now."""
    found = find_condition(work.status.conditions, APPLIED) or find_condition(work.status.conditions, DIFF_REPORTED)
    return found is not None and found.observed_generation == work.metadata.generation


def _after(seconds: float) -> Result | None:
    return Result(requeue_after=seconds) if seconds > 0 else None


def _time() -> float:
    return asyncio.get_running_loop().time()
