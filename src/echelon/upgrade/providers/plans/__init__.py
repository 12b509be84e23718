"""Nodes that system-upgrade-controller upgrades (k3s, RKE2): ``objects`` makes Plans and reads them, ``platform``
applies them."""

from echelon.upgrade.providers.plans.platform import PlanPlatform

__all__ = ["PlanPlatform"]
