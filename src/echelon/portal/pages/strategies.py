"""Strategies: orders of stages to be used again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun, UpdateStrategy, UpdateStrategySpec
from echelon.api.meta import ObjectMeta
from echelon.kube.errors import AlreadyExists, Invalid
from echelon.portal.notes import changed_by, made_by
from echelon.portal.page import Action, Again, Form, Leads, Outcome, Page, Region, Shown, Visit
from echelon.portal.pages.order_form import FIRST, StageFields, fields_of, order_of, stages_in
from echelon.portal.rights import to
from echelon.portal.views.order import boxes, line_of
from echelon.portal.views.runs import newest_first, update_card

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_ASKS = (to("create", UpdateStrategy), to("patch", UpdateStrategy), to("delete", UpdateStrategy))


class OrderForm(Struct, frozen=True, kw_only=True):
    """The form of a strategy; ``of`` is the one that is changed, empty for a new one."""

    name: str
    of: str
    stages: tuple[StageFields, ...]
    groups: tuple[str, ...]
    problems: tuple[str, ...] = ()


def show_all(visit: Visit) -> Shown:
    """All strategies."""
    used = Counter(run.spec.update_strategy_name for run in visit.list(UpdateRun))
    found = sorted(visit.list(UpdateStrategy), key=lambda strategy: strategy.metadata.name)
    lines = [line_of(strategy, used[strategy.metadata.name]) for strategy in found]
    return Shown(
        title="Strategies",
        template="strategies/page.html",
        regions=(Region("strategies", "strategies/list.html", lines),),
        model={"may_create": visit.may("create", UpdateStrategy)},
    )


def show_one(visit: Visit) -> Shown:
    """A strategy."""
    strategy = visit.get(UpdateStrategy, visit.names["name"])
    name, order = strategy.metadata.name, strategy.spec.strategy
    runs = [run for run in visit.list(UpdateRun) if run.spec.update_strategy_name == name]
    offered = {
        "name": name,
        "edit": visit.may("patch", UpdateStrategy) and fields_of(order) is not None,
        "run": visit.may("create", UpdateRun),
        "delete": visit.may("delete", UpdateStrategy),
    }
    return Shown(
        title=name,
        template="strategies/one.html",
        regions=(
            Region("order", "strategies/order.html", boxes(order, visit.list(MemberCluster))),
            Region("runs", "strategies/runs.html", newest_first(map(update_card, runs))),
        ),
        model=offered,
    )


def show_new(visit: Visit) -> Shown:
    """A form for a new strategy."""
    return _form(visit, "", "", FIRST)


def show_edit(visit: Visit) -> Shown:
    """A form for a strategy that is there."""
    strategy = visit.get(UpdateStrategy, visit.names["name"])
    name = strategy.metadata.name
    stages = fields_of(strategy.spec.strategy)
    if stages is None:
        return _form(visit, name, name, FIRST, ["This strategy has more to it than the form: change it with kubectl."])
    return _form(visit, name, name, stages)


def _form(visit: Visit, name: str, of: str, stages: tuple[StageFields, ...], problems: Sequence[str] = ()) -> Shown:
    groups = {member.metadata.labels.get(names.UPDATE_GROUP, "") for member in visit.list(MemberCluster)} - {""}
    model = OrderForm(name=name, of=of, stages=stages, groups=tuple(sorted(groups)), problems=tuple(problems))
    return Shown(title=of or "New strategy", template="strategies/form.html", model=model)


async def create(visit: Visit, form: Form) -> Outcome:
    """Make a strategy."""
    name, stages, problems = form.one("name"), stages_in(form), list[str]()
    if not _NAME.fullmatch(name):
        problems.append(f"The name {name!r} is to be lower-case letters, digits and hyphens, at most 50.")
    order = order_of(stages, problems)
    if order is None:
        return Again(_form(visit, name, "", stages or FIRST, problems))
    made = UpdateStrategy(metadata=ObjectMeta(name=name), spec=UpdateStrategySpec(strategy=order))
    try:
        await visit.client.create(made_by(visit, made))
    except AlreadyExists:
        return Again(_form(visit, name, "", stages, [f"There is a strategy {name} already; choose another name."]))
    except Invalid as error:
        return Again(_form(visit, name, "", stages, [error.message]))
    return Leads(f"/strategies/{name}", f"Strategy {name} is made.")


async def edit(visit: Visit, form: Form) -> Outcome:
    """Change a strategy. Runs that follow it have a copy, which stays."""
    name, stages, problems = visit.names["name"], stages_in(form), list[str]()
    order = order_of(stages, problems)
    if order is None:
        return Again(_form(visit, name, name, stages or FIRST, problems))
    present = await visit.client.get(UpdateStrategy, name)
    changed = changed_by(visit, replace(present, spec=UpdateStrategySpec(strategy=order)))
    try:
        await visit.client.patch_object(present, changed, lock=True)
    except Invalid as error:
        return Again(_form(visit, name, name, stages, [error.message]))
    return Leads(f"/strategies/{name}", f"Strategy {name} is changed. Runs that were made before keep their order.")


async def delete(visit: Visit, form: Form) -> Outcome:
    """Delete a strategy."""
    name = visit.names["name"]
    await visit.client.delete(UpdateStrategy, name)
    return Leads("/strategies", f"Strategy {name} is deleted.")


_SHOWS = (UpdateStrategy, UpdateRun, MemberCluster)
PAGES = (
    Page(path="/strategies", section="Strategies", show=show_all, shows=_SHOWS, asks=_ASKS),
    Page(path="/strategies/new", section="Strategies", show=show_new, shows=(MemberCluster,)),
    Page(
        path="/strategies/{name}",
        section="Strategies",
        show=show_one,
        shows=_SHOWS,
        asks=(*_ASKS, to("create", UpdateRun)),
    ),
    Page(path="/strategies/{name}/edit", section="Strategies", show=show_edit, shows=(UpdateStrategy, MemberCluster)),
)
ACTIONS = (
    Action(path="/strategies", act=create, shows=(MemberCluster,)),
    Action(path="/strategies/{name}/edit", act=edit, shows=(MemberCluster,)),
    Action(path="/strategies/{name}/delete", act=delete),
)
