"""Clouds that are played: one server speaks what Echelon uses of the APIs of AKS, EKS and GKE.

Run ``python -m echelon.testing.fakeclouds`` to rehearse update runs with; tests start a ``Server`` in their
own process. ``model`` is what clusters consist of and how upgrades go, ``aks``, ``eks`` and ``gke`` say it in the
words of each cloud, and ``control`` lets whoever plays add clusters, set faults and turn the clock.

Nothing happens by itself: when a request comes, the clock says what has come to its end since the last one.
A played cloud checks no credentials.
"""

from echelon.testing.fakeclouds.clock import Clock, ManualClock, PacedClock
from echelon.testing.fakeclouds.model import BadCluster, Clouds, Cluster, Faults, Operation, Pool, cluster_of
from echelon.testing.fakeclouds.server import Server

__all__ = [
    "BadCluster",
    "Clock",
    "Clouds",
    "Cluster",
    "Faults",
    "ManualClock",
    "Operation",
    "PacedClock",
    "Pool",
    "Server",
    "cluster_of",
]
