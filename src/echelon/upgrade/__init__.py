"""Update runs on the hub: the clusters of the fleet are upgraded, in the order of a strategy.

A user makes an UpdateRun. Its controller plans it (``validation``, ``planning``), and once it is started asks for the
upgrade of one member after the other, as the rollout engine decides (``translation``, ``observation``, ``reporting``,
``runs``): a ClusterUpgrade in the member's namespace each, which a provider brings to its end (``providers``). Where
the order has gates, it makes Gates and waits (``gates``). Maintenance windows of members (``windows``) and what the
release catalogue has where (``catalogue``, ``releases``, ``images``) say who can be upgraded now. Auto-upgrade
profiles make and start runs when the catalogue grows (``autoupgrade``).

``add_controllers`` adds the controllers of runs and of profiles to a manager. ``intents`` is what command lines need
to start, stop and skip; ``preview`` gives the schedule of a run before anything is started.
"""

from __future__ import annotations

from collections.abc import Iterable

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate, UpdateRun, UpdateStrategy
from echelon.api.meta import Clock
from echelon.api.upgrade import AutoUpgradeProfile, ClusterUpgrade, ReleaseCatalog
from echelon.kube.controller import Controller, For, Request, Watches, generation_changed
from echelon.kube.informer import Change
from echelon.kube.manager import Manager
from echelon.upgrade.autoupgrade import history
from echelon.upgrade.autoupgrade.controller import AutoUpgradeReconciler, run_matters
from echelon.upgrade.fleet import Fleet, has_ended
from echelon.upgrade.gates import Gates
from echelon.upgrade.members import member_of
from echelon.upgrade.observation import has_begun
from echelon.upgrade.runs import UpdateRunReconciler
from echelon.upgrade.settings import UpgradeSettings

__all__ = ["UpgradeSettings", "add_controllers"]


def add_controllers(manager: Manager, settings: UpgradeSettings, clock: Clock) -> None:
    """Add the controllers of update runs and of auto-upgrade profiles to a manager."""
    fleet = Fleet(manager.cache, settings)
    _add_runs(manager, fleet, settings, clock)
    _add_profiles(manager, fleet, settings, clock)


def _add_runs(manager: Manager, fleet: Fleet, settings: UpgradeSettings, clock: Clock) -> None:
    gates = Gates(manager.client, manager.cache)
    runs = UpdateRunReconciler(manager.client, fleet, gates, settings, clock)

    def every_run(_: object) -> Iterable[Request]:
        return [Request("", run.metadata.name) for run in fleet.unfinished_runs()]

    def concerned_by(upgrade: ClusterUpgrade) -> Iterable[Request]:
        """The run that made an upgrade; once it is over, also the runs that may wait for the member."""
        yield Request("", upgrade.spec.update_run)
        if has_ended(upgrade):
            for run in fleet.unfinished_runs():
                if run.status.state in ("Running", "Pending"):
                    yield Request("", run.metadata.name)

    manager.add(
        Controller(
            "update-run",
            runs.reconcile,
            For(UpdateRun, generation_changed),
            Watches(ClusterUpgrade, concerned_by, _is_news),
            Watches(Gate, lambda gate: [Request("", gate.spec.target.update_run)]),
            Watches(MemberCluster, every_run, _member_changed),
            Watches(ReleaseCatalog, every_run, generation_changed),
            Watches(UpdateStrategy, every_run, generation_changed),
            workers=settings.workers,
            coalesce=settings.run_coalescing,
        )
    )


def _add_profiles(manager: Manager, fleet: Fleet, settings: UpgradeSettings, clock: Clock) -> None:
    profiles = AutoUpgradeReconciler(manager.client, manager.cache, fleet, clock)

    def profile_of(run: UpdateRun) -> Iterable[Request]:
        name = history.profile_of(run)
        return [] if name is None else [Request("", name)]

    manager.add(
        Controller(
            "auto-upgrade",
            profiles.reconcile,
            For(AutoUpgradeProfile, generation_changed),
            Watches(UpdateRun, profile_of, run_matters),
            Watches(MemberCluster, profiles.every_profile, _member_changed),
            Watches(ReleaseCatalog, profiles.every_profile, generation_changed),
            Watches(UpdateStrategy, profiles.every_profile, generation_changed),
            coalesce=settings.auto_upgrade_coalescing,
        )
    )


def _is_news(change: Change[ClusterUpgrade]) -> bool:
    """Whether a provider, or somebody else, did something to an upgrade; that it was made is known to its maker."""
    if change.new is None or change.initial:
        return True
    if change.old is None:
        return has_begun(change.new) or names.UPDATE_RUN_UID not in change.new.metadata.labels
    return change.old.status != change.new.status or change.new.metadata.deletion_timestamp is not None


def _member_changed(change: Change[MemberCluster]) -> bool:
    """Whether anything changed of a member that runs look at; heartbeats are nothing to them."""
    if change.old is None or change.new is None:
        return True
    leaving = change.new.metadata.deletion_timestamp is not None and change.old.metadata.deletion_timestamp is None
    return leaving or member_of(change.old) != member_of(change.new)
