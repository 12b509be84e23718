"""Which provider speaks for a member: found by the form of its cluster resource id.

An id is ``scheme://…``; one that begins with ``/subscriptions/`` is that of an Azure resource, and its
scheme is ``aks``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from echelon.upgrade.providers.contract import Provider

AZURE = "aks"

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")


def scheme_of(cluster_resource_id: str) -> str:
    """The scheme of a cluster resource id; empty for one that has none."""
    if cluster_resource_id.lower().startswith("/subscriptions/"):
        return AZURE
    found = _SCHEME.match(cluster_resource_id)
    return found[1] if found else ""


class Registry:
    """The providers that are built in, by scheme."""

    def __init__(self, providers: Mapping[str, Provider]) -> None:
        self._providers = dict(providers)

    @property
    def schemes(self) -> Sequence[str]:
        return sorted(self._providers)

    def find(self, cluster_resource_id: str) -> Provider | None:
        """The provider of a member, or None: then whoever else watches its namespace may be one."""
        return self._providers.get(scheme_of(cluster_resource_id))
