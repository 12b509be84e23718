"""What is refused, and why: runs and strategies that make no sense.

Pure. The same judgement is made twice: by the command line before it writes anything, and by the controller, which
does not plan or start a run that has problems and says so in its status. Some of it the API server judges alone (see
the rules in ``api.fleet``). Every problem names the field, the value seen and what would be accepted.

A run that an auto-upgrade profile made is judged more mildly, since nobody is there to mend it: a group that has
become empty has nothing to do, and members too far behind for its version are left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from echelon.api import names
from echelon.api.fleet import (
    ManagedClusterUpdate,
    UpdateGroup,
    UpdateRun,
    UpdateRunStrategy,
    UpdateStage,
    UpdateStrategy,
)
from echelon.api.meta import LabelSelector
from echelon.rollout import Limit
from echelon.upgrade import selectors
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases
from echelon.upgrade.selectors import InvalidSelector
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.versions import ImageVersion, KubeVersion, NotAVersion, minor_distance

MAX_GROUPS = 50
_NAMED = 3
_LISTED = 10
_NOTHING_KNOWN = Releases()
_DEFAULTS = UpgradeSettings()


class Problem(Struct, frozen=True):
    """Why something is refused: ``field`` is the path of what has to change."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a run is judged against: the fleet as it is."""

    members: Sequence[Member]
    strategies: Mapping[str, UpdateRunStrategy]
    releases: Releases = Releases()
    settings: UpgradeSettings = UpgradeSettings()


def strategies_of(found: Iterable[UpdateStrategy]) -> Mapping[str, UpdateRunStrategy]:
    """Orders by the name of their UpdateStrategy."""
    return {strategy.metadata.name: strategy.spec.strategy for strategy in found}


def is_automatic(run: UpdateRun) -> bool:
    """Whether an auto-upgrade profile made the run."""
    return names.AUTO_UPGRADE_PROFILE in run.metadata.labels


def order_of(run: UpdateRun, strategies: Mapping[str, UpdateRunStrategy]) -> UpdateRunStrategy | None:
    """The order that a run is to follow; None for one by one."""
    if run.spec.strategy is not None:
        return run.spec.strategy
    name = run.spec.update_strategy_name
    return None if name is None else strategies.get(name)


def run_problems(run: UpdateRun, around: Surroundings) -> list[Problem]:
    """Everything for which a run cannot be made, or not be started as it is."""
    problems = list(_order_problems(run, around))
    problems += update_problems(run.spec.managed_cluster_update, around.releases)
    if not problems and not is_automatic(run):
        problems += _distance_problems(run, around)
    return problems


def _order_problems(run: UpdateRun, around: Surroundings) -> Iterator[Problem]:
    spec = run.spec
    if spec.strategy is not None and spec.update_strategy_name is not None:
        yield Problem("spec", "strategy and updateStrategyName cannot both be set")
    elif spec.update_strategy_name is not None and spec.update_strategy_name not in around.strategies:
        known = listed(around.strategies) or "none"
        message = f"there is no UpdateStrategy {spec.update_strategy_name!r}; there are: {known}"
        yield Problem("spec.updateStrategyName", message)
    order = order_of(run, around.strategies)
    if order is None:
        return
    field = "spec.strategy" if spec.strategy is not None else "spec.updateStrategyName"
    yield from strategy_problems(order, field=field, settings=around.settings)
    if not is_automatic(run):
        yield from _group_problems(order, field, around.members)


# -- what is done to members --------------------------------------------------------------------


def update_problems(update: ManagedClusterUpdate, releases: Releases = _NOTHING_KNOWN) -> list[Problem]:
    """What is wrong with an upgrade, whatever members it is for."""
    return [*_version_problems(update, releases), *_image_problems(update, releases)]


def _version_problems(update: ManagedClusterUpdate, releases: Releases) -> Iterator[Problem]:
    field = "spec.managedClusterUpdate.upgrade.kubernetesVersion"
    type_, text = update.upgrade.type, update.upgrade.kubernetes_version
    if type_ == "NodeImageOnly":
        if text is not None:
            yield Problem(field, f"cannot be set when the upgrade type is NodeImageOnly, found {text!r}")
        return
    if text is None:
        yield Problem(field, f"must be set when the upgrade type is {type_}")
        return
    try:
        version = KubeVersion.parse(text)
    except NotAVersion as error:
        yield Problem(field, str(error))
        return
    if not releases.knows(version):
        known = ", ".join(map(str, releases.versions()[-_LISTED:]))
        yield Problem(field, f"{text!r} is in no ReleaseCatalog; there are: {known}")


def _image_problems(update: ManagedClusterUpdate, releases: Releases) -> Iterator[Problem]:
    selection = update.node_image_selection
    field = "spec.managedClusterUpdate.nodeImageSelection.customNodeImageVersions"
    if selection is None:
        return
    if selection.type != "Custom":
        if selection.custom_node_image_versions:
            yield Problem(field, f"cannot be set when the type is {selection.type}")
        return
    if not selection.custom_node_image_versions:
        yield Problem(field, "must name at least one image when the type is Custom")
    families: set[str] = set()
    for index, entry in enumerate(selection.custom_node_image_versions):
        here = f"{field}[{index}]"
        try:
            image = ImageVersion.parse(entry.version)
        except NotAVersion as error:
            yield Problem(here, str(error))
            continue
        if image.family in families:
            yield Problem(here, f"{entry.version!r} is the second image of the family {image.family}; one is accepted")
        elif not releases.knows_image(image):
            yield Problem(here, f"{entry.version!r} is in no ReleaseCatalog")
        families.add(image.family)


def _distance_problems(run: UpdateRun, around: Surroundings) -> Iterator[Problem]:
    """Control planes go up by one minor version at a time."""
    text = run.spec.managed_cluster_update.upgrade.kubernetes_version
    if text is None:
        return
    target = KubeVersion.parse(text)
    order = order_of(run, around.strategies)
    behind = [
        f"{member.name} is at {member.kubernetes_version}"
        for member in around.members
        if is_too_far(member, target) and (order is None or may_contain(order, member))
    ]
    if behind:
        field = "spec.managedClusterUpdate.upgrade.kubernetesVersion"
        yield Problem(field, f"{text!r} is more than one minor version ahead of members of the run: {listed(behind)}")


def is_too_far(member: Member, target: KubeVersion) -> bool:
    """Whether a version is more than one minor version ahead of a member, as far as is known."""
    current = member.kubernetes_version
    return current is not None and minor_distance(current, target) > 1


def may_contain(order: UpdateRunStrategy, member: Member) -> bool:
    """Whether a valid order takes a member, in whatever group."""
    return any(takes(stage, group, member) for stage in order.stages for group in (stage.groups or (None,)))


def takes(stage: UpdateStage, group: UpdateGroup | None, member: Member) -> bool:
    """Whether a group of a stage takes a member; None is the only group of a stage that names none."""
    if stage.member_selector is not None and not _selected(stage.member_selector.by_label, member):
        return False
    if group is None:
        return stage.member_selector is not None
    if group.member_selector is not None:
        return _selected(group.member_selector.by_label, member)
    return member.group == group.name


def _selected(text: str, member: Member) -> bool:
    selector: LabelSelector = selectors.parse(text)
    return selector.matches(member.labels)


# -- the order ----------------------------------------------------------------------------------


def strategy_problems(
    order: UpdateRunStrategy, *, field: str = "spec.strategy", settings: UpgradeSettings = _DEFAULTS
) -> list[Problem]:
    """What is wrong with an order in itself; which groups there are does not matter."""
    if not order.stages:
        return [Problem(f"{field}.stages", "must have at least one stage")]
    return [*_unique(order, field), *_stages(order, field, settings)]


def _unique(order: UpdateRunStrategy, field: str) -> Iterator[Problem]:
    stages: set[str] = set()
    groups: dict[str, str] = {}
    for index, stage in enumerate(order.stages):
        here = f"{field}.stages[{index}]"
        if stage.name in stages:
            yield Problem(f"{here}.name", f"stage {stage.name!r} appears twice")
        stages.add(stage.name)
        for position, name in enumerate(group_names(stage)):
            if name in groups:
                message = f"group {name!r} appears twice, in stage {groups[name]!r} and in stage {stage.name!r}"
                yield Problem(f"{here}.groups[{position}].name", message)
            groups.setdefault(name, stage.name)


def group_names(stage: UpdateStage) -> list[str]:
    """The groups of a stage; the one group of a stage that only selects members has the name of the stage."""
    return [group.name for group in stage.groups] or [stage.name]


def _stages(order: UpdateRunStrategy, field: str, settings: UpgradeSettings) -> Iterator[Problem]:
    for index, stage in enumerate(order.stages):
        here = f"{field}.stages[{index}]"
        if not stage.groups and stage.member_selector is None:
            yield Problem(f"{here}.groups", f"stage {stage.name!r} needs at least one group or a memberSelector")
        if len(stage.groups) > MAX_GROUPS:
            yield Problem(
                f"{here}.groups", f"stage {stage.name!r} has {len(stage.groups)} groups; at most {MAX_GROUPS}"
            )
        if stage.after_stage_wait_in_seconds < 0:
            yield Problem(f"{here}.afterStageWaitInSeconds", "cannot be negative")
        yield from _scope_problems(stage, here)
        ceiling = settings.max_stage_concurrency
        count = _count(stage.max_concurrency)
        if count is not None and count > ceiling:
            yield Problem(f"{here}.maxConcurrency", f"{count} is more than the {ceiling} that a stage may have")
        for position, group in enumerate(stage.groups):
            there = f"{here}.groups[{position}]"
            yield from _scope_problems(group, there)
            own = _count(group.max_concurrency)
            if own and count and own > count:
                message = f"{own} is more than the {count} of its stage {stage.name!r}"
                yield Problem(f"{there}.maxConcurrency", message)


def _scope_problems(scope: UpdateStage | UpdateGroup, field: str) -> Iterator[Problem]:
    for name, value, least in (
        ("maxConcurrency", scope.max_concurrency, 1),
        ("maxAllowedFailures", scope.max_allowed_failures, 0),
    ):
        if value is not None and not _is_limit(value, least):
            message = f"{value!r} is neither a count from {least} up nor a percentage from {least}% to 100%"
            yield Problem(f"{field}.{name}", message)
    if scope.member_selector is not None:
        try:
            selectors.parse(scope.member_selector.by_label)
        except InvalidSelector as error:
            yield Problem(f"{field}.memberSelector.byLabel", str(error))
    for gates in (scope.before_gates, scope.after_gates):
        name = "beforeGates" if gates is scope.before_gates else "afterGates"
        for index, gate in enumerate(gates):
            scheduled = gate.type == "ScheduledStart"
            if scheduled and name == "afterGates":
                message = "a gate of type ScheduledStart can only be a before gate"
                yield Problem(f"{field}.{name}[{index}]", message)
            if scheduled != (gate.scheduled_start_configuration is not None):
                message = "scheduledStartConfiguration must be set when type is ScheduledStart, and only then"
                yield Problem(f"{field}.{name}[{index}]", message)


def _is_limit(value: int | str, least: int) -> bool:
    try:
        return Limit.parse(value).amount >= least
    except ValueError:
        return False


def _count(value: int | str) -> int | None:
    """A count; None for a percentage and for what is neither."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() else None


def _group_problems(order: UpdateRunStrategy, field: str, members: Sequence[Member]) -> Iterator[Problem]:
    """A group is a label that some member has; where members are selected, its name is a name only."""
    known = {member.group for member in members if member.group}
    for index, stage in enumerate(order.stages):
        for position, group in enumerate(stage.groups):
            if group.name not in known and stage.member_selector is None and group.member_selector is None:
                message = f"no member is in the group {group.name!r}; there are: {listed(sorted(known)) or 'none'}"
                yield Problem(f"{field}.stages[{index}].groups[{position}].name", message)


def listed(found: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    every = list(found)
    rest = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + rest
