"""What the clusters of a fleet are called: in the database, and in their addresses.

The fleet of ``echelon up`` has no name of its own: its hub is ``hub``, its members go by their names. Further
fleets, which clients of the ARM face make, are told apart by their name and an underscore, which no name has:
the hub of ``prod`` is served as ``prod``, its member ``one`` as ``prod_one``.
"""

from __future__ import annotations

import msgspec

HUB = "hub"
_APART = "_"


class FleetNames(msgspec.Struct, frozen=True):
    """The names of the clusters of one fleet."""

    fleet: str = ""

    def keyspace(self, cluster: str) -> str:
        """Where the objects of a cluster are kept."""
        return f"{self.fleet}{_APART}{cluster}" if self.fleet else cluster

    def cluster(self, keyspace: str) -> str | None:
        """The cluster that a keyspace belongs to; None when it is another fleet's."""
        fleet, apart, cluster = keyspace.rpartition(_APART)
        return (cluster if apart else keyspace) if fleet == self.fleet else None

    def served_as(self, cluster: str) -> str:
        """The last part of a cluster's address."""
        return self.fleet if self.fleet and cluster == HUB else self.keyspace(cluster)


def further_fleets(keyspaces: list[str]) -> list[str]:
    """The fleets with a name of their own that have a hub."""
    return sorted(name.removesuffix(_APART + HUB) for name in keyspaces if name.endswith(_APART + HUB))
