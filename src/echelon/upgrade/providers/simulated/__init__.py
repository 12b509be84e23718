"""Clusters that are simulated: ``platform`` is what they consist of, ``provider`` upgrades them."""

from echelon.upgrade.providers.simulated.provider import Connect, SimulatedProvider

__all__ = ["Connect", "SimulatedProvider"]
