"""What a run is judged against, as a client of the hub reads it."""

from __future__ import annotations

from datetime import datetime

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateStrategy
from echelon.api.upgrade import ReleaseCatalog
from echelon.kube.client import Client
from echelon.upgrade.members import member_of
from echelon.upgrade.releases import releases_of
from echelon.upgrade.validation import Surroundings, strategies_of


async def surroundings(client: Client, now: datetime) -> Surroundings:
    """Members, strategies and the release catalogue of the hub."""
    members = await client.list(MemberCluster)
    strategies = await client.list(UpdateStrategy)
    catalogs = await client.list(ReleaseCatalog)
    return Surroundings(
        members=[member_of(found) for found in members.items if found.metadata.deletion_timestamp is None],
        strategies=strategies_of(strategies.items),
        releases=releases_of(catalogs.items, now),
    )
