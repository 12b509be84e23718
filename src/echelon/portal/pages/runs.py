"""Update runs: all of them, and one with everything that may be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from echelon.api import names
from echelon.api.fleet import Gate, SkipTarget, UpdateRun
from echelon.api.upgrade import ClusterUpgrade
from echelon.kube.errors import Conflict
from echelon.portal.notes import changed_by
from echelon.portal.page import PLANNING, Action, Done, Form, Leads, Outcome, Page, Refused, Region, Shown, Visit
from echelon.portal.rendering import slug
from echelon.portal.rights import to
from echelon.portal.views.paging import page_of
from echelon.portal.views.run import run_page
from echelon.portal.views.runs import newest_first, update_card

SKIPS = ("Member", "Group", "Stage", "AfterStageWait")


def show_all(visit: Visit) -> Shown:
    """All runs, those at work first."""
    cards = newest_first(
        update_card(run, run.metadata.labels.get(names.AUTO_UPGRADE_PROFILE, "")) for run in visit.list(UpdateRun)
    )
    return Shown(
        title="Update runs",
        template="runs/page.html",
        regions=(Region("runs", "runs/list.html", page_of(cards, visit.query)),),
        model={"may_create": visit.may("create", UpdateRun)},
    )


def show_one(visit: Visit) -> Shown:
    """A run."""
    run = visit.get(UpdateRun, visit.names["name"])
    name, rules = run.metadata.name, visit.given.rules
    goes_on = run.status.state not in ("Completed", "Skipped")
    outlook = visit.given.plan(run, visit.fleet(), visit.now) if goes_on else None
    model = run_page(run, visit.list(Gate), visit.list(ClusterUpgrade), outlook, visit.now)
    may = visit.may("patch", UpdateRun)
    offered = {
        "run": name,
        "start": may and not rules.start_problems(run) and _can_be_planned(run),
        "retry": run.status.state == "Failed",
        "stop": may and not rules.stop_problems(run) and run.status.state in ("Running", "Pending"),
        "skip": may,
        "approve": visit.may("patch", Gate, "status"),
        "delete": visit.may("delete", UpdateRun),
        "many": any(group.hidden for stage in model.stages for group in stage.groups),
    }
    regions = [
        Region("head", "runs/head.html", (model, offered)),
        Region("state", "runs/state.html", (model, offered)),
        *(Region(f"stage-{slug(stage.name)}", "runs/stage.html", (stage, offered)) for stage in model.stages),
        Region("chart", "runs/chart.html", model),
        Region("facts", "runs/facts.html", model),
    ]
    return Shown(title=name, template="runs/one.html", regions=regions, model=offered)


def _can_be_planned(run: UpdateRun) -> bool:
    return run.status.state != "NotStarted" or run.status.error is None


# -- what may be asked --------------------------------------------------------------------------

Problems = Callable[[UpdateRun], Sequence[object]]
Change = Callable[[UpdateRun], UpdateRun]


async def _ask(visit: Visit, problems: Problems, changed: Change) -> None:
    """Ask something of a run, if it can be asked of it as it is now."""
    while True:
        run = await visit.client.get(UpdateRun, visit.names["name"])
        if found := problems(run):
            raise Refused(found)
        try:
            await visit.client.patch_object(run, changed_by(visit, changed(run)), lock=True)
        except Conflict:
            continue
        return


async def start(visit: Visit, form: Form) -> Outcome:
    rules = visit.given.rules
    await _ask(visit, rules.start_problems, rules.started)
    return Done(f"Run {visit.names['name']} is started.")


async def stop(visit: Visit, form: Form) -> Outcome:
    rules = visit.given.rules
    await _ask(visit, rules.stop_problems, rules.stopped)
    return Done(f"Run {visit.names['name']} stops: upgrades under way come to their end, no more are started.")


async def skip(visit: Visit, form: Form) -> Outcome:
    rules, target = visit.given.rules, _target(form)
    await _ask(visit, lambda run: rules.skip_problems(run, [target]), lambda run: rules.skipping(run, [target]))
    what = "the wait after stage" if target.type == "AfterStageWait" else target.type.lower()
    return Done(f"Run {visit.names['name']} skips {what} {target.name}.")


def _target(form: Form) -> SkipTarget:
    """What a form names: a part by its type and name, or a member by its name."""
    text = f"Member:{form.one('member')}" if form.has("member") else form.one("target")
    type_, _, name = text.partition(":")
    for known in SKIPS:
        if type_ == known and name:
            return SkipTarget(type=known, name=name)  # type: ignore[arg-type]  # one of SKIPS
    raise Refused([f"{text!r} is nothing that can be skipped; accepted are {', '.join(SKIPS)}, a colon and a name."])


async def delete(visit: Visit, form: Form) -> Outcome:
    name = visit.names["name"]
    await visit.client.delete(UpdateRun, name)
    return Leads("/runs", f"Run {name} is deleted. Members stay as they are.")


PAGES = (
    Page(path="/runs", section="Update runs", show=show_all, shows=(UpdateRun,), asks=(to("create", UpdateRun),)),
    Page(
        path="/runs/{name}",
        section="Update runs",
        show=show_one,
        shows=(*PLANNING, Gate),
        asks=(to("patch", UpdateRun), to("patch", Gate, "status"), to("delete", UpdateRun)),
    ),
)
ACTIONS = (
    Action(path="/runs/{name}/start", act=start),
    Action(path="/runs/{name}/stop", act=stop),
    Action(path="/runs/{name}/skip", act=skip),
    Action(path="/runs/{name}/delete", act=delete),
)
