"""Placements: all of them, one with its members, snapshots and rollouts, and what differs between two snapshots."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.meta import KubeObject, ObjectMeta
from echelon.api.placement import ClusterResourcePlacement, ResourcePlacement
from echelon.api.snapshot import ClusterResourceSnapshot, ResourceSnapshot
from echelon.api.staged import (
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
    StagedUpdateRun,
    StagedUpdateStrategy,
    UpdateRunSpec,
)
from echelon.explain.kinds import Binding, Kinds, Placement, Run, Snapshot, index_of, is_master, kinds_of
from echelon.explain.next_run import next_name
from echelon.explain.rollback import NoWayBack, choose
from echelon.kube.errors import AlreadyExists
from echelon.portal.notes import changed_by, made_by
from echelon.portal.page import Action, Form, Leads, Missing, Outcome, Page, Refused, Region, Shown, Visit
from echelon.portal.rights import to
from echelon.portal.views.approvals import rollout_path
from echelon.portal.views.paging import page_of
from echelon.portal.views.placements import (
    comparison,
    is_going_on,
    objects_by_index,
    placement_line,
    placement_page,
    placement_path,
)

_PLACEMENTS = (ClusterResourcePlacement, ResourcePlacement)
_OF_FLEET: tuple[type[KubeObject], ...] = (
    ClusterResourcePlacement,
    ClusterResourceSnapshot,
    ClusterResourceBinding,
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
)
_OF_NAMESPACE: tuple[type[KubeObject], ...] = (
    ResourcePlacement,
    ResourceSnapshot,
    ResourceBinding,
    StagedUpdateRun,
    StagedUpdateStrategy,
)


def show_all(visit: Visit) -> Shown:
    """All placements by name."""
    placements: list[Placement] = [*visit.list(ClusterResourcePlacement), *visit.list(ResourcePlacement)]
    lines = sorted(map(placement_line, placements), key=lambda line: (line.namespace, line.name))
    return Shown(
        title="Placements",
        template="placements/page.html",
        regions=(Region("placements", "placements/list.html", page_of(lines, visit.query)),),
    )


def show_one(visit: Visit) -> Shown:
    """A placement."""
    namespace, name, kinds = _of(visit)
    placement = visit.get(kinds.placement, name, namespace)
    runs = _runs(visit)
    model = placement_page(placement, _snapshots(visit), _bindings(visit), runs)
    strategies = sorted(
        found.metadata.name for found in visit.list(kinds.strategy) if found.metadata.namespace == namespace
    )
    last = runs[-1].spec.staged_rollout_strategy_name if runs else ""
    may = visit.may("create", kinds.run)
    offered = {
        "path": model.line.path,
        "compare": f"/compare/{namespace}/{name}" if namespace else f"/compare/{name}",
        "roll_out": may and model.is_external,
        "strategies": strategies,
        "strategy": last if last in strategies else "",
    }
    return Shown(
        title=name,
        template="placements/one.html",
        regions=(
            Region("head", "placements/head.html", (model, offered)),
            Region("state", "placements/state.html", model),
            Region("members", "placements/members.html", (model, offered)),
            Region("snapshots", "placements/snapshots.html", (model, offered)),
            Region("runs", "placements/runs.html", model),
        ),
        model=(model, offered),
    )


def show_comparison(visit: Visit) -> Shown:
    """What differs between two snapshots, or what a member has and a snapshot."""
    namespace, name, kinds = _of(visit)
    visit.get(kinds.placement, name, namespace)
    snapshots = _snapshots(visit)
    kept = [str(index) for index in objects_by_index(snapshots)]
    after = visit.query.get("after") or (kept[-1] if kept else "")
    before = visit.query.get("before") or (kept[-2] if len(kept) > 1 else after)
    model = comparison(snapshots, _bindings(visit), before, after)
    if model is None:
        there = ", ".join(kept) or "none that you may see"
        raise Missing(f"There is no snapshot {before} or no snapshot {after} of {name}; there is {there}.")
    chosen = {"before": before, "after": after, "name": name, "placement": placement_path(namespace, name)}
    return Shown(
        title=f"Changes of {name}",
        template="placements/compare.html",
        regions=(Region("changes", "placements/changes.html", model),),
        model=(model, chosen),
    )


def _of(visit: Visit) -> tuple[str, str, Kinds]:
    namespace = visit.names.get("namespace", "")
    return namespace, visit.names["name"], kinds_of(namespace)


def _is_of(visit: Visit, obj: KubeObject) -> bool:
    labels, (namespace, name, _) = obj.metadata.labels, _of(visit)
    return obj.metadata.namespace == namespace and labels.get(names.PARENT_PLACEMENT) == name


def _snapshots(visit: Visit) -> list[Snapshot]:
    return [found for found in visit.list(_of(visit)[2].snapshot) if _is_of(visit, found)]


def _bindings(visit: Visit) -> list[Binding]:
    return [found for found in visit.list(_of(visit)[2].binding) if _is_of(visit, found)]


def _runs(visit: Visit) -> list[Run]:
    """The rollouts of the placement, oldest first."""
    namespace, name, kinds = _of(visit)
    found: list[Run] = [
        run for run in visit.list(kinds.run) if run.metadata.namespace == namespace and run.spec.placement_name == name
    ]
    return sorted(found, key=lambda run: (run.metadata.creation_timestamp or "", run.metadata.name))


# -- what may be asked --------------------------------------------------------------------------


async def roll_out(visit: Visit, form: Form) -> Outcome:
    """Start a rollout of a snapshot, or of what is selected now."""
    snapshot, strategy = form.one("snapshot"), form.one("strategy")
    if not strategy:
        raise Refused(["Choose a strategy: the stages that the rollout follows."])
    there = [str(index_of(found)) for found in _snapshots(visit) if is_master(found)]
    if snapshot and snapshot not in there:
        raise Refused([f"There is no snapshot {snapshot}; there is {', '.join(there) or 'none'}."])
    return await _start(visit, snapshot, strategy, None, _runs(visit))


async def roll_back(visit: Visit, form: Form) -> Outcome:
    """Go back to what was available everywhere before; a rollout under way is stopped first."""
    _, name, kinds = _of(visit)
    runs = _runs(visit)
    kept = [index_of(found) for found in _snapshots(visit) if is_master(found)]
    try:
        choice = choose(name, runs, kept)
    except NoWayBack as error:
        raise Refused([str(error)]) from None
    for run in runs:
        if is_going_on(run) and run.spec.state != "Initialize":
            await visit.client.patch_object(run, changed_by(visit, _stopped(run)))
    strategy = form.one("strategy") or choice.bad.spec.staged_rollout_strategy_name
    return await _start(visit, str(choice.to.index), strategy, choice.to.run, visit.list(kinds.run))


def _stopped(run: Run) -> Run:
    return replace(run, spec=replace(run.spec, state="Stop"))


async def _start(visit: Visit, index: str, strategy: str, back_to: str | None, runs: Sequence[Run]) -> Outcome:
    namespace, name, kinds = _of(visit)
    spec = UpdateRunSpec(
        placement_name=name, resource_snapshot_index=index, staged_rollout_strategy_name=strategy, state="Run"
    )
    annotations = {} if back_to is None else {names.ROLLED_BACK_TO: back_to}
    called = next_name(name, runs)
    metadata = ObjectMeta(name=called, namespace=namespace, annotations=annotations)
    try:
        await visit.client.create(made_by(visit, kinds.run(metadata=metadata, spec=spec)))
    except AlreadyExists:
        raise Refused([f"There is a rollout {called} already; try again."]) from None
    what = "goes back" if back_to is not None else "is rolled out"
    return Leads(rollout_path(namespace, called), f"{name} {what}, by {called}.")


def _pages() -> tuple[Page, ...]:
    found = []
    for tail, kinds in (("{name}", _OF_FLEET), ("{namespace}/{name}", _OF_NAMESPACE)):
        asks = (to("create", kinds[3]), to("patch", kinds[3]))
        found.append(
            Page(path=f"/placements/{tail}", section="Placements", show=show_one, shows=kinds, asks=asks),
        )
        found.append(Page(path=f"/compare/{tail}", section="Placements", show=show_comparison, shows=kinds[:3]))
    return tuple(found)


PAGES = (Page(path="/placements", section="Placements", show=show_all, shows=_PLACEMENTS), *_pages())
ACTIONS = tuple(
    Action(path=f"/placements/{tail}/{verb}", act=act, shows=kinds)
    for tail, kinds in (("{name}", _OF_FLEET), ("{namespace}/{name}", _OF_NAMESPACE))
    for verb, act in (("roll-out", roll_out), ("roll-back", roll_back))
)
