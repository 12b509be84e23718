"""The fleet as runs are judged against it, asked of the hub: for those who have no cache."""

from __future__ import annotations

import asyncio
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
    present = [member for member in members.items if member.metadata.deletion_timestamp is None]
    return Surroundings(
        members=[member_of(member) for member in present],
        strategies=strategies_of(strategies.items),
        releases=releases_of(catalogs.items, now),
    )
