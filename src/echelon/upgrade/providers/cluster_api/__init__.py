"""Cluster API: ``topology`` reads its objects, ``platform`` changes the version of a topology."""

from echelon.upgrade.providers.cluster_api.platform import ClusterApiPlatform

__all__ = ["ClusterApiPlatform"]
