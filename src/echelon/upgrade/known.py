"""What runs and profiles come to on objects that are at hand: for whoever watches the fleet, as the portal does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.upgrade import AutoUpgradeProfile, ClusterUpgrade, ReleaseCatalog
from echelon.upgrade.asking import surroundings_of
from echelon.upgrade.autoupgrade.generation import generate
from echelon.upgrade.outlook import Outlook, outlook
from echelon.upgrade.validation import Problem, Surroundings


class Known(Protocol):
    """The objects by which runs are judged and planned."""

    @property
    def members(self) -> Sequence[MemberCluster]: ...
    @property
    def strategies(self) -> Sequence[UpdateStrategy]: ...
    @property
    def catalogs(self) -> Sequence[ReleaseCatalog]: ...
    @property
    def upgrades(self) -> Sequence[ClusterUpgrade]: ...
    @property
    def runs(self) -> Sequence[UpdateRun]: ...


def plan(run: UpdateRun, known: Known, now: datetime) -> Outlook:
    """The outlook of a run that is started, or goes on, now."""
    return outlook(run, _around(known, now), known.members, known.upgrades, known.runs, now)


def generated(profile: AutoUpgradeProfile, known: Known, now: datetime) -> UpdateRun | str:
    """The run of a profile for what is published now, which may be there already; or why there is none."""
    found = generate(profile, _around(known, now), known.runs, now)
    return str(found) if isinstance(found, Problem) else found.run


def _around(known: Known, now: datetime) -> Surroundings:
    return surroundings_of(known.members, known.strategies, known.catalogs, now)
