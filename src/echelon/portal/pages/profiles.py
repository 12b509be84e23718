"""Auto-upgrade profiles: which make and start runs when a new version is published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.meta import ObjectMeta, parse_time
from echelon.api.upgrade import AutoUpgradeImageSelection, AutoUpgradeProfile, AutoUpgradeProfileSpec
from echelon.kube.errors import AlreadyExists, Invalid
from echelon.portal.notes import changed_by, made_by
from echelon.portal.page import (
    PLANNING,
    Action,
    Again,
    Done,
    Form,
    Leads,
    Outcome,
    Page,
    Refused,
    Region,
    Shown,
    Visit,
)
from echelon.portal.rights import to
from echelon.portal.views.runs import newest_first, update_card

CHANNELS: Mapping[str, tuple[str, str]] = {
    "Stable": ("Stable", "The newest patch of the minor version before the newest"),
    "Rapid": ("Rapid", "The newest patch of the newest minor version"),
    "TargetKubernetesVersion": ("One minor version", "The newest patch of the version that is named"),
    "NodeImage": ("Node images", "New node images only"),
}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_MINOR = re.compile(r"[0-9]+\.[0-9]+")
_ASKS = (
    to("create", AutoUpgradeProfile),
    to("patch", AutoUpgradeProfile),
    to("delete", AutoUpgradeProfile),
    to("create", UpdateRun),
)


class ProfileView(Struct, frozen=True, kw_only=True):
    """A profile."""

    name: str
    channel: str
    means: str
    strategy: str
    images: str
    is_on: bool
    triggered: datetime | None
    outcome: str
    tone: str
    message: str
    versions: tuple[str, ...]
    last_run: str


class ProfileFields(Struct, frozen=True, kw_only=True):
    """The form as it stands."""

    name: str = ""
    channel: str = "Stable"
    target: str = ""
    long_term: bool = False
    images: str = "Consistent"
    strategy: str = ""


class ProfileForm(Struct, frozen=True, kw_only=True):
    """The form, what can be chosen in it and what is wrong with it."""

    fields: ProfileFields
    channels: Mapping[str, tuple[str, str]]
    strategies: tuple[str, ...]
    problems: tuple[str, ...] = ()


def profile_view(profile: AutoUpgradeProfile) -> ProfileView:
    """A profile and what it last did."""
    spec, status = profile.spec, profile.status
    label, means = CHANNELS[spec.channel]
    if spec.target_kubernetes_version:
        label = f"Kubernetes {spec.target_kubernetes_version}"
    outcome = status.last_trigger_status or "not yet"
    error = status.last_trigger_error
    return ProfileView(
        name=profile.metadata.name,
        channel=label,
        means=means,
        strategy=spec.update_strategy_name or "",
        images=spec.node_image_selection.type if spec.node_image_selection is not None else "",
        is_on=not spec.disabled,
        triggered=parse_time(status.last_triggered_at) if status.last_triggered_at else None,
        outcome=outcome.lower(),
        tone={"Succeeded": "good", "Failed": "bad"}.get(outcome, "idle"),
        message=status.last_trigger_message if error is None else error.message,
        versions=status.last_trigger_upgrade_versions,
        last_run=status.last_update_run,
    )


def show_all(visit: Visit) -> Shown:
    """All profiles."""
    found = sorted(visit.list(AutoUpgradeProfile), key=lambda profile: profile.metadata.name)
    return Shown(
        title="Auto-upgrade",
        template="profiles/page.html",
        regions=(Region("profiles", "profiles/list.html", [profile_view(profile) for profile in found]),),
        model={"may_create": visit.may("create", AutoUpgradeProfile)},
    )


def show_one(visit: Visit) -> Shown:
    """A profile."""
    profile = visit.get(AutoUpgradeProfile, visit.names["name"])
    name = profile.metadata.name
    runs = [run for run in visit.list(UpdateRun) if run.metadata.labels.get(names.AUTO_UPGRADE_PROFILE) == name]
    offered = {
        "patch": visit.may("patch", AutoUpgradeProfile),
        "delete": visit.may("delete", AutoUpgradeProfile),
        "run": visit.may("create", UpdateRun),
    }
    return Shown(
        title=name,
        template="profiles/one.html",
        regions=(
            Region("profile", "profiles/state.html", (profile_view(profile), offered)),
            Region("runs", "strategies/runs.html", newest_first(map(update_card, runs))),
        ),
    )


def show_new(visit: Visit) -> Shown:
    """A form for a new profile."""
    return _form(visit, ProfileFields())


def _form(visit: Visit, fields: ProfileFields, problems: Sequence[str] = ()) -> Shown:
    strategies = tuple(sorted(strategy.metadata.name for strategy in visit.list(UpdateStrategy)))
    model = ProfileForm(fields=fields, channels=CHANNELS, strategies=strategies, problems=tuple(problems))
    return Shown(title="New profile", template="profiles/new.html", model=model)


async def create(visit: Visit, form: Form) -> Outcome:
    """Make a profile."""
    fields = ProfileFields(
        name=form.one("name"),
        channel=form.one("channel"),
        target=form.one("target"),
        long_term=form.has("long_term"),
        images=form.one("images") or "Latest",
        strategy=form.one("strategy"),
    )
    if problems := _problems(fields):
        return Again(_form(visit, fields, problems))
    targets = fields.channel == "TargetKubernetesVersion"
    selection = AutoUpgradeImageSelection(type=fields.images)  # type: ignore[arg-type]  # judged by _problems
    spec = AutoUpgradeProfileSpec(
        channel=fields.channel,  # type: ignore[arg-type]  # judged by _problems
        update_strategy_name=fields.strategy or None,
        node_image_selection=None if fields.channel == "NodeImage" else selection,
        target_kubernetes_version=fields.target if targets else None,
        long_term_support=fields.long_term and targets,
    )
    made = AutoUpgradeProfile(metadata=ObjectMeta(name=fields.name), spec=spec)
    try:
        await visit.client.create(made_by(visit, made))
    except AlreadyExists:
        return Again(_form(visit, fields, [f"There is a profile {fields.name} already; choose another name."]))
    except Invalid as error:
        return Again(_form(visit, fields, [error.message]))
    return Leads(f"/profiles/{fields.name}", f"Profile {fields.name} is made.")


def _problems(fields: ProfileFields) -> list[str]:
    found = []
    if not _NAME.fullmatch(fields.name):
        found.append(f"The name {fields.name!r} is to be lower-case letters, digits and hyphens, at most 50.")
    if fields.channel not in CHANNELS:
        found.append(f"{fields.channel!r} is no channel; accepted are {', '.join(CHANNELS)}.")
    if fields.channel == "TargetKubernetesVersion" and not _MINOR.fullmatch(fields.target):
        found.append(f"{fields.target!r} is no minor version; want such as 1.31.")
    if fields.images not in ("Latest", "Consistent"):
        found.append(f"{fields.images!r} is no choice of node images; accepted are Latest, Consistent.")
    return found


async def switch(visit: Visit, form: Form) -> Outcome:
    """Turn a profile on or off."""
    name, off = visit.names["name"], form.one("to") == "off"
    profile = await visit.client.get(AutoUpgradeProfile, name)
    changed = changed_by(visit, replace(profile, spec=replace(profile.spec, disabled=off)))
    await visit.client.patch_object(profile, changed)
    return Done(f"Profile {name} is {'off: it makes no more runs' if off else 'on'}.")


async def generate(visit: Visit, form: Form) -> Outcome:
    """Make the run of a profile for what is published now, not started."""
    profile = await visit.client.get(AutoUpgradeProfile, visit.names["name"])
    found = visit.given.generate(profile, visit.fleet(), visit.now)
    if isinstance(found, str):
        raise Refused([found])
    name = found.metadata.name
    try:
        await visit.client.create(made_by(visit, found))
    except AlreadyExists:
        return Leads(f"/runs/{name}", "This run was made for the same before.")
    return Leads(f"/runs/{name}", f"Run {name} is made, not started.")


async def delete(visit: Visit, form: Form) -> Outcome:
    """Delete a profile; its runs go on."""
    name = visit.names["name"]
    await visit.client.delete(AutoUpgradeProfile, name)
    return Leads("/profiles", f"Profile {name} is deleted. Its runs go on.")


_SHOWS = (AutoUpgradeProfile, UpdateRun)
PAGES = (
    Page(path="/profiles", section="Auto-upgrade", show=show_all, shows=_SHOWS, asks=_ASKS),
    Page(path="/profiles/new", section="Auto-upgrade", show=show_new, shows=(UpdateStrategy,)),
    Page(path="/profiles/{name}", section="Auto-upgrade", show=show_one, shows=_SHOWS, asks=_ASKS),
)
ACTIONS = (
    Action(path="/profiles", act=create, shows=(UpdateStrategy,)),
    Action(path="/profiles/{name}/switch", act=switch),
    Action(path="/profiles/{name}/generate", act=generate, shows=PLANNING),
    Action(path="/profiles/{name}/delete", act=delete),
)
