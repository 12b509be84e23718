"""Azure Kubernetes Service: ``platform`` asks Azure Resource Manager, ``failures`` reads what it complains about."""

from echelon.upgrade.providers.aks.platform import AksPlatform

__all__ = ["AksPlatform"]
