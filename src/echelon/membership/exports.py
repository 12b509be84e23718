"""Services that a member exports to others: what a fleet's networking keeps in the member's namespace.

Networking is not part of Echelon; where it is installed, its exports keep a member from leaving
(``deleteOptions.validationMode: Strict``), since other members may be using them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import Unstructured
from echelon.kube.mapper import NoSuchKind

NETWORKING = "networking.fleet.azure.com"
_API_VERSION = f"{NETWORKING}/v1alpha1"
_KIND = "InternalServiceExport"


class ServiceExports:
    """The exports of all members."""

    def __init__(self, client: Client, cache: SharedCache, on_end: Callable[[str], None]) -> None:
        """``on_end`` is called with the namespace in which an export has ended."""
        self._client = client
        self._cache = cache
        self._on_end = on_end
        self._informer: Informer[dict[str, Any]] | None = None

    async def of(self, namespace: str) -> Sequence[str]:
        """The names of the exports in a member's namespace; nothing where there is no networking.

        Raises:
            ApiError: the hub could not be asked.
        """
        try:
            resource = await self._client.mapper.resource(_API_VERSION, _KIND)
        except NoSuchKind:
            return ()
        if self._informer is None:
            self._informer = self._cache.informer(Unstructured(resource))
            self._informer.add_handler(self._changed)
        found = await self._client.list(Unstructured(resource), namespace=namespace)
        return sorted(item["metadata"]["name"] for item in found.items)

    def _changed(self, change: Change[dict[str, Any]]) -> None:
        if change.new is None:
            self._on_end(change.object["metadata"]["namespace"])
