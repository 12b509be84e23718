"""How the controllers of runs read the shared cache: members as values, the catalogue, and what belongs to a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.upgrade import ClusterUpgrade, ReleaseCatalog
from echelon.kube.cache import SharedCache
from echelon.upgrade.members import Member, member_of
from echelon.upgrade.releases import Releases, releases_of
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.validation import Surroundings, strategies_of

ENDED_STATES = ("Completed", "Failed", "Skipped")

_BY_RUN = "update-run"
_OPEN = "open"
_FINAL = ("Completed",)


class Fleet:
    """Typed reads of what update runs are about."""

    def __init__(self, cache: SharedCache, settings: UpgradeSettings) -> None:
        self._cache = cache
        self._settings = settings
        self._members: dict[str, tuple[MemberCluster, Member]] = {}
        cache.informer(MemberCluster)
        cache.informer(UpdateRun)
        cache.informer(UpdateStrategy)
        cache.informer(ReleaseCatalog)
        upgrades = cache.informer(ClusterUpgrade)
        upgrades.add_index(_BY_RUN, lambda upgrade: [upgrade.spec.update_run])
        upgrades.add_index(_OPEN, lambda upgrade: [] if has_ended(upgrade) else [_OPEN])

    def run(self, name: str) -> UpdateRun | None:
        return self._cache.get(UpdateRun, name)

    def unfinished_runs(self) -> Iterable[UpdateRun]:
        """The runs that something may still become of."""
        return [run for run in self._cache.list(UpdateRun) if run.status.state not in _FINAL]

    def members(self) -> Mapping[str, Member]:
        """The members of the fleet by name, without those that are leaving."""
        known, found = self._members, {}
        for cluster in self._cache.list(MemberCluster):
            if cluster.metadata.deletion_timestamp is not None:
                continue
            name = cluster.metadata.name
            held = known.get(name)
            found[name] = held if held is not None and held[0] is cluster else (cluster, member_of(cluster))
        self._members = found
        return {name: member for name, (_, member) in found.items()}

    def releases(self, now: datetime) -> Releases:
        """What there is to upgrade to."""
        return releases_of(self._cache.list(ReleaseCatalog), now)

    def surroundings(self, now: datetime) -> Surroundings:
        """What a run is planned from and judged against."""
        return Surroundings(
            members=list(self.members().values()),
            strategies=strategies_of(self._cache.list(UpdateStrategy)),
            releases=self.releases(now),
            settings=self._settings,
        )

    def upgrades(self, run: UpdateRun) -> Mapping[str, ClusterUpgrade]:
        """Of each member the upgrade that this run made last, by the name of the member."""
        latest: dict[str, ClusterUpgrade] = {}
        for upgrade in self._cache.by_index(ClusterUpgrade, _BY_RUN, run.metadata.name):
            if made_by(upgrade) == run.metadata.uid:
                member = member_name(upgrade)
                held = latest.get(member)
                if held is None or held.spec.attempt < upgrade.spec.attempt:
                    latest[member] = upgrade
        return latest

    def orphans(self, name: str, uid: str) -> Sequence[ClusterUpgrade]:
        """The upgrades of runs of this name other than the one with that uid: runs that are gone."""
        return [
            upgrade
            for upgrade in self._cache.by_index(ClusterUpgrade, _BY_RUN, name)
            if names.UPDATE_RUN_UID in upgrade.metadata.labels and made_by(upgrade) != uid
        ]

    def rivals(self, run: UpdateRun) -> Mapping[str, str]:
        """The members that something else is upgrading, and the name of the run that does."""
        return {
            member_name(upgrade): upgrade.spec.update_run
            for upgrade in self._cache.by_index(ClusterUpgrade, _OPEN, _OPEN)
            if made_by(upgrade) != run.metadata.uid
        }


def made_by(upgrade: ClusterUpgrade) -> str:
    """The uid of the run that made an upgrade."""
    return upgrade.metadata.labels.get(names.UPDATE_RUN_UID, "")


def member_name(upgrade: ClusterUpgrade) -> str:
    """The member that an upgrade is for."""
    return names.member_of_namespace(upgrade.metadata.namespace) or ""


def has_ended(upgrade: ClusterUpgrade) -> bool:
    return upgrade.status.state in ENDED_STATES
