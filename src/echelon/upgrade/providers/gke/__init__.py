"""Google Kubernetes Engine: ``platform`` asks Google, ``failures`` reads what it complains about, ``windows`` when it
lets clusters be maintained."""

from echelon.upgrade.providers.gke.platform import GkePlatform

__all__ = ["GkePlatform"]
