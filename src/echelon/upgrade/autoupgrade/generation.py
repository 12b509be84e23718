"""Runs of auto-upgrade profiles: what a profile would do now, as an UpdateRun to be created.

Pure. ``generate`` is what ``generate-update-run`` asks for:

    generate(profile, around, runs, now) -> Generated | Problem

``around`` is the fleet as runs are judged against it (``validation.Surroundings``), ``runs`` the UpdateRuns that there
are. It gives a run that is not started, for what the channel holds now, whether the profile is disabled or not, or
the problem for which there is none. A run that exists already is given as it is (``exists``).

The name of a run follows from what it does: ``auto-<profile>-<channel>-<version with dashes>-<hash>``. So making a run
twice is making it once. Profile and version are cut where a name would have more than 50 characters; the hash stands
for all of both.

A run goes to one version and leaves out whoever is more than one minor version behind it: those are caught up step by
step, each step a run of its own (see ``decision``). A run that is for some members only leaves the others out by
``spec.skips``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from echelon.api import names
from echelon.api.fleet import (
    ClusterUpgradeTarget,
    ManagedClusterUpdate,
    NodeImageSelection,
    NodeImageVersion,
    SkipTarget,
    UpdateRun,
    UpdateRunSpec,
)
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.upgrade.autoupgrade.channels import NoTarget, Target, target_of
from echelon.upgrade.autoupgrade.history import TRIGGER, Trigger
from echelon.upgrade.members import Member
from echelon.upgrade.validation import (
    Problem,
    Surroundings,
    is_too_far,
    listed,
    may_contain,
    run_problems,
    strategy_problems,
)
from echelon.upgrade.versions import ImageVersion, KubeVersion

MAX_NAME = 50
_HASH = 7
_LEAST = 6  # characters of the profile's name that a long version leaves


class Generated(Struct, frozen=True):
    """A run of a profile. ``exists``: it is the one on the hub. ``left_out``: members that it is not for, and why."""

    run: UpdateRun
    exists: bool
    left_out: Mapping[str, str]


def generate(
    profile: AutoUpgradeProfile, around: Surroundings, runs: Iterable[UpdateRun], now: datetime
) -> Generated | Problem:
    """The run that brings the fleet to what the profile's channel holds now, or why there is none."""
    members = scope_of(profile, around)
    if isinstance(members, Problem):
        return members
    target = target_of(profile.spec, members, around.releases, now)
    if isinstance(target, NoTarget):
        return Problem("", f"auto-upgrade profile {profile.metadata.name!r}: {target.message}")
    run = run_to(profile, target)
    left_out = _left_out(profile, target, members, around)
    for known in runs:
        if known.metadata.name == run.metadata.name:
            return Generated(known, exists=True, left_out=left_out)
    problems = run_problems(run, around)
    if problems:
        return Problem("", "; ".join(map(str, problems)))
    return Generated(run, exists=False, left_out=left_out)


def scope_of(profile: AutoUpgradeProfile, around: Surroundings) -> Sequence[Member] | Problem:
    """The members that the runs of a profile take, by name: those of its strategy, or all."""
    fleet = sorted(around.members, key=lambda member: member.name)
    name = profile.spec.update_strategy_name
    if name is None:
        return fleet
    order = around.strategies.get(name)
    if order is None:
        known = listed(sorted(around.strategies)) or "none"
        return Problem("spec.updateStrategyName", f"there is no UpdateStrategy {name!r}; there are: {known}")
    problems = strategy_problems(order, field=f"UpdateStrategy {name}", settings=around.settings)
    if problems:
        return Problem("spec.updateStrategyName", "; ".join(map(str, problems)))
    return [member for member in fleet if may_contain(order, member)]


def _left_out(
    profile: AutoUpgradeProfile, target: Target, members: Sequence[Member], around: Surroundings
) -> Mapping[str, str]:
    strategy = profile.spec.update_strategy_name
    taken = {member.name for member in members}
    found = {
        member.name: f"UpdateStrategy {strategy} does not take it"
        for member in around.members
        if member.name not in taken
    }
    for member in members:
        if target.version is not None and is_too_far(member, target.version):
            found[member.name] = too_far(member, target.version)
    return dict(sorted(found.items()))


def too_far(member: Member, version: KubeVersion) -> str:
    """What is said of a member that is too far behind a version."""
    return f"at Kubernetes {member.kubernetes_version}, more than one minor version behind {version}"


# -- the run ------------------------------------------------------------------------------------


def run_to(profile: AutoUpgradeProfile, target: Target) -> UpdateRun:
    """The run of a profile to a target for whom it can be, not started."""
    return UpdateRun(
        metadata=ObjectMeta(name=run_name(profile, target), labels={names.AUTO_UPGRADE_PROFILE: profile.metadata.name}),
        spec=UpdateRunSpec(
            managed_cluster_update=update_to(profile, target),
            update_strategy_name=profile.spec.update_strategy_name,
        ),
    )


def automatic_run(
    profile: AutoUpgradeProfile,
    target: Target,
    trigger: Trigger,
    members: Iterable[str] = (),
    others: Iterable[str] = (),
) -> UpdateRun:
    """The run of a profile to a target, started. To catch up: the members that it is for, and those to leave alone."""
    run = run_to(profile, target)
    metadata = replace(run.metadata, name=run_name(profile, target, members), annotations={TRIGGER: trigger})
    skips = tuple(SkipTarget(type="Member", name=name) for name in sorted(others))
    return replace(run, metadata=metadata, spec=replace(run.spec, state="Run", attempt=1, skips=skips))


def update_to(profile: AutoUpgradeProfile, target: Target) -> ManagedClusterUpdate:
    """What is done to members. Images are named, so that all that are tried again get the same."""
    if target.version is None:
        chosen = tuple(NodeImageVersion(version=str(image)) for image in target.images)
        return ManagedClusterUpdate(
            upgrade=ClusterUpgradeTarget(type="NodeImageOnly"),
            node_image_selection=NodeImageSelection(type="Custom", custom_node_image_versions=chosen),
        )
    selection = profile.spec.node_image_selection
    return ManagedClusterUpdate(
        upgrade=ClusterUpgradeTarget(type="Full", kubernetes_version=str(target.version)),
        node_image_selection=NodeImageSelection(type="Latest" if selection is None else selection.type),
    )


def run_name(profile: AutoUpgradeProfile, target: Target, members: Iterable[str] = ()) -> str:
    """The name of the run of a profile to a target, for all members or for some."""
    name, spec = profile.metadata.name, profile.spec
    content = msgspec.json.encode(
        (name, spec.channel, update_to(profile, target), spec.update_strategy_name, sorted(members))
    )
    digest = base64.b32hexencode(hashlib.sha256(content).digest()).decode().lower()[:_HASH]
    channel, version = spec.channel.lower(), _dashed(target)
    room = MAX_NAME - len(f"auto--{channel}--") - _HASH
    version = version[: room - min(len(name), _LEAST)].rstrip("-")
    return f"auto-{name[: room - len(version)].rstrip('-')}-{channel}-{version}-{digest}"


def _dashed(target: Target) -> str:
    """The version, or the newest among the versions of images, in the characters of a name."""
    images = (ImageVersion("", image.version) for image in target.images)
    version = str(target.version) if target.version is not None else max(images).version
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in version.lower())
