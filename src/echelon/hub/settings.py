"""How the controllers of a hub behave: a YAML file, in camel case.

An installed hub has it from its ConfigMap (``settings`` of the values, see ``values``), a hub that is run
by hand from ``--settings``::

    dialect: kubefleet
    snapshotDelay: 5
    leaderElection: {leaseDuration: 30, renewDeadline: 20, retryPeriod: 4}
    providers:
      stoppedClusters: Wait

What is not named is as it is by default. None of it is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from echelon.hub.controllers import ControllerSettings
from echelon.membership.members import LEAVE_DEADLINE
from echelon.placement import PlacementSettings
from echelon.placement.dialect import DIALECTS, DialectName
from echelon.upgrade import UpgradeSettings
from echelon.upgrade.providers import ProviderSettings

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class BadSettings(ValueError):
    """Settings cannot be used; the message says which and why."""


class LeaderElectionSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """When another replica takes over, in seconds: each has to be shorter than the next, the first by a fifth."""

    retry_period: Seconds = 2.0
    renew_deadline: Seconds = 10.0
    lease_duration: Seconds = 15.0


class HubSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """The settings of a hub; times are in seconds.

    ``dialect`` chooses where sources of the API differ. ``snapshot_delay`` gathers changes of selected objects
    into one snapshot. ``max_stage_concurrency`` is the most members that a stage of an update run upgrades at a
    time, whatever its strategy says. ``leave_deadline`` is how long the agent of a member that leaves may take.
    """

    dialect: DialectName = "azure-docs"
    snapshot_delay: Seconds = 1.0
    max_stage_concurrency: Annotated[int, msgspec.Meta(ge=1)] = 50
    leave_deadline: Seconds = LEAVE_DEADLINE.total_seconds()
    leader_election: LeaderElectionSettings = LeaderElectionSettings()
    providers: ProviderSettings = ProviderSettings()

    def controllers(self) -> ControllerSettings:
        """These settings as the controllers take them."""
        return ControllerSettings(
            placement=PlacementSettings(dialect=DIALECTS[self.dialect], snapshot_delay=self.snapshot_delay),
            upgrade=UpgradeSettings(max_stage_concurrency=self.max_stage_concurrency),
            providers=self.providers,
            leave_deadline=timedelta(seconds=self.leave_deadline),
        )


def settings_of(content: Mapping[str, Any] | None, where: str) -> HubSettings:
    """Settings as they stand in ``where``.

    Raises:
        BadSettings: something in it is no setting, or no value for one.
    """
    try:
        settings = msgspec.convert(content or {}, HubSettings, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise BadSettings(f"{where}: {error}") from error
    election = settings.leader_election
    if not election.retry_period * 1.2 < election.renew_deadline < election.lease_duration:
        raise BadSettings(
            f"{where}: leaderElection: retryPeriod {election.retry_period:g} s, renewDeadline "
            f"{election.renew_deadline:g} s and leaseDuration {election.lease_duration:g} s: each has to be shorter "
            "than the next, the first by a fifth"
        )
    return settings


def read_settings(path: Path) -> HubSettings:
    """Read a file of settings.

    Raises:
        BadSettings: there is no such file, or it cannot be used.
    """
    try:
        return parse_settings(path.read_text(), str(path))
    except OSError as error:
        raise BadSettings(f"cannot read the settings {path}: {error.strerror}") from error


def parse_settings(text: str, where: str) -> HubSettings:
    """Settings from YAML; ``where`` it stands is told in errors.

    Raises:
        BadSettings: it cannot be used.
    """
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadSettings(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    return settings_of(content, where)


def _path(type_: type[Any], value: Any) -> Any:
    if type_ is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{type_.__name__} is no type of a setting")
