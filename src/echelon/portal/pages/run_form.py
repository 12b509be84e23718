"""A new update run: what it does, in which order, and the plan of it before anything is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import (
    ClusterUpgradeTarget,
    ManagedClusterUpdate,
    NodeImageSelection,
    UpdateRun,
    UpdateRunSpec,
    UpdateRunStrategy,
    UpdateStrategy,
)
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import ReleaseCatalog
from echelon.explain.run_outline import run_outline
from echelon.kube.errors import AlreadyExists, Invalid
from echelon.portal.notes import made_by
from echelon.portal.page import PLANNING, Action, Again, Form, Leads, Outcome, Page, Part, Shown, Visit
from echelon.portal.pages.order_form import FIRST, StageFields, fields_of, order_of, stages_in
from echelon.portal.rights import to
from echelon.portal.views.chart import Chart, chart
from echelon.portal.views.members import version_key
from echelon.portal.views.run import first_few, spans
from echelon.portal.views.runs import upgrade_words

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_UNNAMED = "plan"
SCOPES = ("Full", "ControlPlaneOnly", "NodeImageOnly")
IMAGES = ("Latest", "Consistent")
ORDERS = ("one-by-one", "strategy", "by-hand")


class RunFields(Struct, frozen=True, kw_only=True):
    """The form as it stands."""

    name: str = ""
    scope: str = "Full"
    version: str = ""
    images: str = "Consistent"
    order: str = "one-by-one"
    strategy: str = ""
    stages: tuple[StageFields, ...] = FIRST


class RunForm(Struct, frozen=True, kw_only=True):
    """The form, what can be chosen in it, and what is wrong with it."""

    fields: RunFields
    versions: tuple[str, ...]
    strategies: tuple[str, ...]
    groups: tuple[str, ...]
    problems: tuple[str, ...] = ()
    may_start: bool = False


class Skipped(Struct, frozen=True):
    """A member that nothing is done for, or that waits for somebody, and why."""

    name: str
    why: str


class Plan(Struct, frozen=True, kw_only=True):
    """What would become of the run, started now."""

    problems: tuple[str, ...] = ()
    what: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    members: int = 0
    images: tuple[str, ...] = ()
    chart: Chart | None = None
    skipped: tuple[Skipped, ...] = ()
    held_up: tuple[Skipped, ...] = ()
    approvals: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    blocked_on: tuple[str, ...] = ()
    assumed: str = ""


# -- the form -----------------------------------------------------------------------------------


def show(visit: Visit) -> Shown:
    """A new form; ``strategy`` in the query chooses one, ``like`` takes over what a run does."""
    fields = RunFields()
    if visit.query.get("strategy"):
        fields = RunFields(order="strategy", strategy=visit.query["strategy"])
    if visit.query.get("like"):
        fields = _like(visit.get(UpdateRun, visit.query["like"]))
    return _shown(visit, fields)


def _like(run: UpdateRun) -> RunFields:
    update = run.spec.managed_cluster_update
    stages = fields_of(run.spec.strategy) if run.spec.strategy is not None else None
    order = "strategy" if run.spec.update_strategy_name else "by-hand" if stages is not None else "one-by-one"
    return RunFields(
        scope=update.upgrade.type,
        version=update.upgrade.kubernetes_version or "",
        images=update.node_image_selection.type if update.node_image_selection is not None else "Latest",
        order=order,
        strategy=run.spec.update_strategy_name or "",
        stages=stages or FIRST,
    )


def _shown(visit: Visit, fields: RunFields, problems: Sequence[str] = ()) -> Shown:
    catalogs = [catalog.spec for catalog in visit.list(ReleaseCatalog)]
    versions = {release.version for catalog in catalogs for release in catalog.kubernetes_versions}
    newest = sorted(versions, key=version_key, reverse=True)
    if not fields.version and newest:
        fields = replace(fields, version=newest[0])
    groups = {member.metadata.labels.get(names.UPDATE_GROUP, "") for member in visit.list(MemberCluster)}
    model = RunForm(
        fields=fields,
        versions=tuple(newest),
        strategies=tuple(sorted(strategy.metadata.name for strategy in visit.list(UpdateStrategy))),
        groups=tuple(sorted(groups - {""})),
        problems=tuple(problems),
        may_start=visit.may("patch", UpdateRun),
    )
    return Shown(title="New run", template="runs/new.html", model=model)


def _read(form: Form) -> RunFields:
    return RunFields(
        name=form.one("name"),
        scope=form.one("scope") or "Full",
        version=form.one("version"),
        images=form.one("images") or "Latest",
        order=form.one("order") or "one-by-one",
        strategy=form.one("strategy"),
        stages=stages_in(form) or FIRST,
    )


def _wanted(fields: RunFields, problems: list[str]) -> UpdateRun | None:
    """The run that was filled in; what is wrong with the form is added to ``problems``, and then there is none."""
    for value, known, what in (
        (fields.scope, SCOPES, "an upgrade"),
        (fields.images, IMAGES, "a choice of node images"),
        (fields.order, ORDERS, "an order"),
    ):
        if value not in known:
            problems.append(f"{value!r} is not {what}; accepted are {', '.join(known)}.")
    if fields.scope != "NodeImageOnly" and not fields.version:
        problems.append("Choose a Kubernetes version.")
    order: UpdateRunStrategy | None = None
    if fields.order == "by-hand":
        order = order_of(fields.stages, problems)
    if fields.order == "strategy" and not fields.strategy:
        problems.append("Choose a strategy, or make one first.")
    if problems:
        return None
    node_only, control_only = fields.scope == "NodeImageOnly", fields.scope == "ControlPlaneOnly"
    return UpdateRun(
        metadata=ObjectMeta(name=fields.name or _UNNAMED),
        spec=UpdateRunSpec(
            managed_cluster_update=ManagedClusterUpdate(
                upgrade=ClusterUpgradeTarget(
                    type=fields.scope,  # type: ignore[arg-type]  # one of SCOPES
                    kubernetes_version=None if node_only else fields.version,
                ),
                node_image_selection=None if control_only else NodeImageSelection(type=fields.images),  # type: ignore[arg-type]
            ),
            strategy=order,
            update_strategy_name=fields.strategy if fields.order == "strategy" else None,
        ),
    )


# -- the plan -----------------------------------------------------------------------------------


async def plan(visit: Visit, form: Form) -> Outcome:
    """What would become of what is filled in, started now."""
    problems: list[str] = []
    wanted = _wanted(_read(form), problems)
    if wanted is None:
        return Part("runs/plan.html", Plan(problems=tuple(problems)))
    return Part("runs/plan.html", planned(visit, wanted))


def planned(visit: Visit, wanted: UpdateRun) -> Plan:
    """The plan of a run that is not there yet."""
    outlook = visit.given.plan(wanted, visit.fleet(), visit.now)
    preview = outlook.preview
    if preview.problems:
        return Plan(problems=tuple(map(_without_field, preview.problems)))
    chosen = preview.status.node_image_selection
    item = run_outline(replace(wanted, status=preview.status))
    return Plan(
        what=upgrade_words(wanted.spec.managed_cluster_update),
        starts_at=preview.starts_at,
        ends_at=preview.ends_at,
        members=sum(not member.skipped for member in preview.members),
        images=() if chosen is None else tuple(image.version for image in chosen.selected_node_image_versions),
        chart=chart(tuple(spans(preview.status, item, preview)), visit.now),
        skipped=tuple(Skipped(member.name, member.skipped) for member in preview.members if member.skipped),
        held_up=tuple(Skipped(member.name, member.waits_for) for member in preview.members if member.waits_for),
        approvals=tuple(
            f"{gate.name} {gate.timing.lower()} {f'group {gate.group}' if gate.group else f'stage {gate.stage}'}"
            for gate in preview.approvals
        ),
        findings=first_few(outlook.findings),
        blocked_on=tuple(preview.blocked_on),
        assumed=str(outlook.assumed),
    )


def _without_field(problem: object) -> str:
    """A problem as a sentence: fields of the API mean nothing to somebody at a form."""
    message: str = getattr(problem, "message", "") or str(problem)
    return message[:1].upper() + message[1:]


# -- making it ----------------------------------------------------------------------------------


async def create(visit: Visit, form: Form) -> Outcome:
    """Make the run, and start it if that was asked for."""
    fields, problems = _read(form), list[str]()
    if not _NAME.fullmatch(fields.name):
        problems.append(f"The name {fields.name!r} is to be lower-case letters, digits and hyphens, at most 50.")
    wanted = _wanted(fields, problems)
    if wanted is not None:
        found = visit.given.plan(wanted, visit.fleet(), visit.now).preview.problems
        problems += map(_without_field, found)
    if wanted is None or problems:
        return Again(_shown(visit, fields, problems))
    if form.has("start"):
        wanted = visit.given.rules.started(wanted)
    try:
        made = await visit.client.create(made_by(visit, wanted))
    except AlreadyExists:
        return Again(_shown(visit, fields, [f"There is a run {fields.name} already; choose another name."]))
    except Invalid as error:
        return Again(_shown(visit, fields, [error.message]))
    name = made.metadata.name
    return Leads(f"/runs/{name}", f"Run {name} is made{' and started' if form.has('start') else ', not started'}.")


PAGES = (
    Page(
        path="/runs/new",
        section="Update runs",
        show=show,
        shows=PLANNING,
        asks=(to("create", UpdateRun), to("patch", UpdateRun)),
    ),
)
ACTIONS = (
    Action(path="/runs/plan", act=plan, shows=PLANNING),
    Action(path="/runs", act=create, shows=PLANNING, asks=(to("patch", UpdateRun),)),
)
