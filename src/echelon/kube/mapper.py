"""Which resources a server has, and the resource of a kind: discovery, cached.

The answer is kept until a kind is asked for that is not in it; then it is fetched again, at most
once in ``REFRESH_SECONDS``, so that new CustomResourceDefinitions are found without a restart and
a kind that does not exist does not cost a request each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from echelon.api.meta import Resource
from echelon.kube.errors import NotFound
from echelon.kube.rest import JSON, Rest

REFRESH_SECONDS = 5.0
AGGREGATED = f"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,{JSON}"


class ApiResource(msgspec.Struct, frozen=True):
    """A resource that a server has. ``preferred``: in the version that the server would rather be asked for."""

    resource: Resource
    verbs: frozenset[str]
    singular: str = ""
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    preferred: bool = True


class NoSuchKind(NotFound):
    """The server has no resource for a kind."""

    default_reason = "NoSuchKind"


class Mapper:
    """Finds resources by API version and kind."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._resources: Sequence[ApiResource] = ()
        self._by_kind: Mapping[tuple[str, str], ApiResource] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind.

        Raises:
            NoSuchKind: the server does not have it.
        """
        return (await self.describe(api_version, kind)).resource

    async def describe(self, api_version: str, kind: str) -> ApiResource:
        """All that discovery says of a kind.

        Raises:
            NoSuchKind: the server does not have it.
        """
        found = self._by_kind.get((api_version, kind))
        if found is None:
            await self._refresh()
            found = self._by_kind.get((api_version, kind))
        if found is None:
            raise NoSuchKind(f"the server has no kind {kind!r} in {api_version!r}")
        return found

    async def resources(self) -> Sequence[ApiResource]:
        """Everything the server has, subresources aside."""
        if not self._resources:
            await self._refresh()
        return self._resources

    def forget(self) -> None:
        """Fetch anew at the next question."""
        self._resources, self._by_kind, self._fetched_at = (), {}, float("-inf")

    async def _refresh(self) -> None:
        asked_at = asyncio.get_running_loop().time()
        async with self._lock:
            if self._fetched_at > asked_at or asked_at - self._fetched_at < REFRESH_SECONDS:
                return
            resources = [*await self._fetch("/api"), *await self._fetch("/apis")]
            by_kind: dict[tuple[str, str], ApiResource] = {}
            for item in resources:
                by_kind.setdefault((item.resource.api_version, item.resource.kind), item)
            self._resources, self._by_kind = resources, by_kind
            self._fetched_at = asyncio.get_running_loop().time()

    async def _fetch(self, root: str) -> Sequence[ApiResource]:
        answer = await self._rest.request("get", "GET", root, accept=AGGREGATED)
        if "APIGroupDiscoveryList" in answer.headers.get("content-type", ""):
            return _from_aggregated(msgspec.json.decode(answer.body, type=_GroupDiscoveryList))
        if root == "/api":
            versions = msgspec.json.decode(answer.body, type=_Versions).versions
            return await self._fetch_versions("/api", versions, versions[0] if versions else "")
        found: list[ApiResource] = []
        for group in msgspec.json.decode(answer.body, type=_Groups).groups:
            versions = [version.version for version in group.versions]
            found += await self._fetch_versions(f"/apis/{group.name}", versions, group.preferred_version.version)
        return found

    async def _fetch_versions(self, base: str, versions: Sequence[str], preferred: str) -> Sequence[ApiResource]:
        group = base.removeprefix("/apis/") if base != "/api" else ""
        found: list[ApiResource] = []
        for version in versions:
            answer = await self._rest.request("get", "GET", f"{base}/{version}")
            found += (
                item.described(group, version, preferred=version == preferred)
                for item in msgspec.json.decode(answer.body, type=_Resources).resources
                if "/" not in item.name
            )
        return found


# The plain form of discovery


class _Versions(msgspec.Struct):
    versions: Sequence[str]


class _GroupVersion(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    name: str
    versions: Sequence[_GroupVersion]
    preferred_version: _GroupVersion


class _Groups(msgspec.Struct):
    groups: Sequence[_Group]


class _Resource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool
    verbs: Sequence[str]
    singular_name: str = ""
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()

    def described(self, group: str, version: str, *, preferred: bool) -> ApiResource:
        return ApiResource(
            Resource(group, version, self.name, self.kind, self.namespaced),
            frozenset(self.verbs),
            self.singular_name,
            self.short_names,
            self.categories,
            preferred,
        )


class _Resources(msgspec.Struct):
    resources: Sequence[_Resource]


# The aggregated form


class _ResponseKind(msgspec.Struct):
    kind: str = ""


class _ResourceDiscovery(msgspec.Struct, rename="camel"):
    resource: str
    scope: str
    verbs: Sequence[str] = ()
    response_kind: _ResponseKind = msgspec.field(default_factory=_ResponseKind)
    singular_resource: str = ""
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()


class _VersionDiscovery(msgspec.Struct):
    version: str
    resources: Sequence[_ResourceDiscovery] = ()


class _GroupName(msgspec.Struct):
    name: str = ""


class _GroupDiscovery(msgspec.Struct):
    metadata: _GroupName
    versions: Sequence[_VersionDiscovery] = ()


class _GroupDiscoveryList(msgspec.Struct):
    items: Sequence[_GroupDiscovery]


def _from_aggregated(groups: _GroupDiscoveryList) -> Sequence[ApiResource]:
    return [
        ApiResource(
            Resource(
                group.metadata.name, version.version, item.resource, item.response_kind.kind, item.scope == "Namespaced"
            ),
            frozenset(item.verbs),
            item.singular_resource,
            item.short_names,
            item.categories,
            preferred=position == 0,
        )
        for group in groups.items
        for position, version in enumerate(group.versions)
        for item in version.resources
    ]
