"""Staged rollouts: all of them, and one with what may be asked of it."""

from __future__ import annotations

from typing import Literal, cast

from msgspec.structs import replace

from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.conditions import APPROVED, find_condition
from echelon.api.staged import ApprovalRequest, ClusterApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun
from echelon.explain.kinds import Approval, Binding, Run, kinds_of
from echelon.explain.outline import outline
from echelon.kube.errors import Conflict
from echelon.portal.notes import changed_by
from echelon.portal.page import Action, Done, Form, Leads, Outcome, Page, Refused, Region, Shown, Visit
from echelon.portal.rendering import slug
from echelon.portal.rights import to
from echelon.portal.views.paging import page_of
from echelon.portal.views.rollout import rollout_page
from echelon.portal.views.runs import newest_first, rollout_card

_RUNS = (ClusterStagedUpdateRun, StagedUpdateRun)
_OF_FLEET = (ClusterStagedUpdateRun, ClusterResourceBinding, ClusterApprovalRequest)
_OF_NAMESPACE = (StagedUpdateRun, ResourceBinding, ApprovalRequest)


def show_all(visit: Visit) -> Shown:
    """All rollouts, those at work first."""
    runs: list[Run] = [*visit.list(ClusterStagedUpdateRun), *visit.list(StagedUpdateRun)]
    cards = newest_first(map(rollout_card, runs))
    return Shown(
        title="Staged rollouts",
        template="rollouts/page.html",
        regions=(Region("rollouts", "rollouts/list.html", page_of(cards, visit.query)),),
    )


def show_one(visit: Visit) -> Shown:
    """A rollout."""
    namespace, name = visit.names.get("namespace", ""), visit.names["name"]
    kinds = kinds_of(namespace)
    run = visit.get(kinds.run, name, namespace)
    bindings: list[Binding] = [
        binding for binding in visit.list(kinds.binding) if binding.metadata.namespace == namespace
    ]
    waiting: list[Approval] = [request for request in visit.list(kinds.approval) if not _is_approved(request)]
    model = rollout_page(run, bindings, waiting, visit.now)
    over, may = outline(run).is_over, visit.may("patch", kinds.run)
    offered = {
        "path": model.card.path,
        "start": may and not over and model.wanted != "Run",
        "started": bool(run.status.stages_status) and model.wanted == "Stop",
        "stop": may and not over and model.wanted == "Run",
        "approve": visit.may("patch", kinds.approval, "status"),
        "delete": visit.may("delete", kinds.run),
    }
    regions = [
        Region("head", "rollouts/head.html", (model, offered)),
        Region("state", "rollouts/state.html", model),
        *(Region(f"stage-{slug(stage.name)}", "rollouts/stage.html", (stage, offered)) for stage in model.stages),
        Region("chart", "rollouts/chart.html", model),
    ]
    return Shown(title=name, template="rollouts/one.html", regions=regions, model=offered)


def _is_approved(request: Approval) -> bool:
    approved = find_condition(request.status.conditions, APPROVED)
    return approved is not None and approved.status == "True"


# -- what may be asked --------------------------------------------------------------------------


async def start(visit: Visit, form: Form) -> Outcome:
    """Have a rollout begin, or go on."""
    await _ask(visit, "Run")
    return Done(f"Rollout {visit.names['name']} goes on.")


async def stop(visit: Visit, form: Form) -> Outcome:
    """Have a rollout begin nothing more."""
    await _ask(visit, "Stop")
    return Done(f"Rollout {visit.names['name']} stops: members under way come to their end, no more are begun.")


async def _ask(visit: Visit, state: Literal["Run", "Stop"]) -> None:
    namespace, name = visit.names.get("namespace", ""), visit.names["name"]
    while True:
        run = cast(Run, await visit.client.get(kinds_of(namespace).run, (namespace, name)))
        item = outline(run)
        if item.is_over:
            raise Refused([f"The rollout is over ({item.state.value}); start another one."])
        if state == "Stop" and run.spec.state == "Initialize":
            raise Refused(["The rollout has not begun; it can be deleted."])
        try:
            changed = changed_by(visit, replace(run, spec=replace(run.spec, state=state)))
            await visit.client.patch_object(run, changed, lock=True)
        except Conflict:
            continue
        return


async def delete(visit: Visit, form: Form) -> Outcome:
    """Delete a rollout; members keep what they have."""
    namespace, name = visit.names.get("namespace", ""), visit.names["name"]
    await visit.client.delete(kinds_of(namespace).run, (namespace, name))
    return Leads("/rollouts", f"Rollout {name} is deleted. Members keep what they have.")


def _pages() -> tuple[Page, ...]:
    both = (("/rollouts/{name}", _OF_FLEET), ("/rollouts/{namespace}/{name}", _OF_NAMESPACE))
    return tuple(
        Page(
            path=path,
            section="Staged rollouts",
            show=show_one,
            shows=kinds,
            asks=(to("patch", kinds[0]), to("delete", kinds[0]), to("patch", kinds[2], "status")),
        )
        for path, kinds in both
    )


PAGES = (Page(path="/rollouts", section="Staged rollouts", show=show_all, shows=_RUNS), *_pages())
ACTIONS = tuple(
    Action(path=f"{where}/{verb}", act=act)
    for where in ("/rollouts/{name}", "/rollouts/{namespace}/{name}")
    for verb, act in (("start", start), ("stop", stop), ("delete", delete))
)
