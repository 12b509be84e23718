"""The fleet as runs are judged against it, asked of the hub: for those who have no cache."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateStrategy
from echelon.api.upgrade import ReleaseCatalog
from echelon.kube.client import Client
from echelon.upgrade.members import member_of
from echelon.upgrade.releases import releases_of
from echelon.upgrade.validation import Surroundings, strategies_of


async def surroundings(client: Client, now: datetime) -> Surroundings:
    """Members, strategies and catalogue, as they are now."""
    members, strategies, catalogs = await asyncio.gather(
        client.list(MemberCluster), client.list(UpdateStrategy), client.list(ReleaseCatalog)
    )
    return surroundings_of(members.items, strategies.items, catalogs.items, now)


def surroundings_of(
    members: Iterable[MemberCluster],
    strategies: Iterable[UpdateStrategy],
    catalogs: Iterable[ReleaseCatalog],
    now: datetime,
) -> Surroundings:
    """The same, of objects that are at hand."""
    present = [member for member in members if member.metadata.deletion_timestamp is None]
    return Surroundings(
        members=[member_of(member) for member in present],
        strategies=strategies_of(strategies),
        releases=releases_of(catalogs, now),
    )
