"""Managed clusters that clients create, show and wait for before they make them members.

A cluster that is in no fleet yet is a ConfigMap of the hub that makes others; deleting it does not end a member.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from echelon.api import names
from echelon.api.cluster import MemberCluster
from echelon.arm.around import Answering, Question, seen_fleets
from echelon.arm.call import Reply, found
from echelon.arm.directory import CONFIG_MAPS, Directory, read_record
from echelon.arm.errors import ArmError, from_hub, invalid, not_allowed, not_found
from echelon.arm.handlers.fleets import ensure_namespace
from echelon.arm.ids import is_name
from echelon.arm.paging import page
from echelon.arm.releases import parts_of, published, upgrade_to, upgrades_of
from echelon.arm.requests import bearer
from echelon.arm.router import Route
from echelon.arm.translation.clusters import TYPE, cluster_to, described, pools_to
from echelon.arm.translation.members import cluster_id
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Forbidden, Unauthorized
from echelon.kube.patches import ApplyPatch

LABEL = names.OWN_PREFIX + "managed-cluster"
_LONGEST = 50
_NOBODY: tuple[str, MemberCluster | None] = ("", None)
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters"
_ALL = "/subscriptions/{subscription}/providers/Microsoft.ContainerService/managedClusters"


class Stored(msgspec.Struct, frozen=True):
    """A cluster that was created: its id, what it consists of, and its tags."""

    id: str
    cluster: Mapping[str, Any]
    tags: Mapping[str, str]


class ManagedClusters:
    """The clusters that are members of fleets, and those that were created to be."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route[Answering]]:
        one = f"{_GROUP}/{{name}}"
        return [
            Route("GET", _ALL, self.list_),
            Route("GET", _GROUP, self.list_),
            Route("GET", one, self.get),
            Route("PUT", one, self.put),
            Route("DELETE", one, self.delete),
            Route("POST", f"{one}/listClusterUserCredential", self.credentials),
            Route("POST", f"{one}/listClusterAdminCredential", self.credentials),
            Route("GET", f"{one}/upgradeProfiles/default", self.upgrades),
            Route("GET", f"{one}/agentPools", self.pools),
            Route("GET", f"{one}/agentPools/{{pool}}", self.pool),
        ]

    async def get(self, question: Question) -> Reply:
        stored, member = await self._find(question)
        return Reply(body=cluster_to(stored.id, stored.cluster, stored.tags, member))

    async def list_(self, question: Question) -> Reply:
        prefix = f"/subscriptions/{question.names['subscription']}/".lower()
        if "group" in question.names:
            prefix += f"resourcegroups/{question.names['group']}/".lower()
        stored, members = await self._all(question)
        known = {key: Stored(id_, {}, {}) for key, (id_, _) in members.items()} | stored
        chosen = [key for key in known if key.startswith(prefix)]

        def shown(key: str) -> dict[str, Any]:
            cluster = known[key]
            return cluster_to(cluster.id, cluster.cluster, cluster.tags, members.get(key, _NOBODY)[1])

        request = question.request
        address = f"{question.base}{request.url.path}"
        return Reply(body=page(chosen, str, request.query_params, address, shown))

    async def put(self, question: Question) -> Reply:
        """Remember what a cluster is to consist of."""
        await self._check_makes(question)
        token = bearer(question.request)
        if not is_name(question.names["name"].lower(), _LONGEST):
            raise invalid(f"{question.names['name']!r} is no name of a member to be", "name")
        cluster = described(question.body)
        tags = question.body.get("tags") or {}
        if not isinstance(tags, Mapping) or not all(isinstance(value, str) for value in tags.values()):
            raise invalid("want an object of texts", "tags")
        id_ = _id(question)
        async with self._directory.connect(self._directory.own(), token) as client:
            try:
                namespace, name = cluster_key(id_)
                present = await found(client.get(CONFIG_MAPS, (namespace, name)))
                cluster = await _with_version(client, cluster)
                await ensure_namespace(client, namespace)
                data = {"id": id_, "cluster": json.dumps(cluster), "tags": json.dumps(tags)}
                metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "true"}}
                content = {**CONFIG_MAPS.plain({}), "metadata": metadata, "data": data}
                await client.patch(CONFIG_MAPS, (namespace, name), ApplyPatch(content, force=True))
            except ApiError as error:
                raise from_hub(error, {}) from error
        _, member = await self._find(question)
        return Reply(status=201 if present is None else 200, body=cluster_to(id_, cluster, tags, member))

    async def delete(self, question: Question) -> Reply:
        """Forget a cluster; a member of a fleet stays one."""
        await self._check_makes(question)
        async with self._directory.connect(self._directory.own(), bearer(question.request)) as client:
            try:
                await client.delete(CONFIG_MAPS, cluster_key(_id(question)), missing_ok=True)
            except ApiError as error:
                raise from_hub(error, {}) from error
        return Reply(status=204)

    async def _check_makes(self, question: Question) -> None:
        """Refuse what a hub of real clusters cannot do, to whoever it knows."""
        if not self._directory.makes_clusters():
            await seen_fleets(self._directory, question)
            raise not_allowed(
                "This hub neither makes nor deletes clusters. Do so where they run; "
                "a cluster is added to the fleet as a member, by its id."
            )

    async def credentials(self, question: Question) -> Reply:
        """A kubeconfig for a cluster that is a member, with the token of the caller."""
        id_ = _id(question)
        async with aclosing(self._clients(question)) as clients:
            async for hub, client in clients:
                fleet = (await read_record(client, hub, self._directory)).id
                for member in (await client.list(MemberCluster)).items:
                    if cluster_id(member.metadata, fleet).lower() == id_.lower():
                        return _credentials(self._directory, hub, member.metadata.name, bearer(question.request))
        await self._find(question)
        raise not_allowed(f"The cluster {id_} is in no fleet yet; it comes to be when it becomes a member.")

    async def upgrades(self, question: Question) -> Reply:
        """To which of the published versions a cluster can go: those of its minor version and of the next."""
        stored, member = await self._find(question)
        shown = cluster_to(stored.id, stored.cluster, stored.tags, member)["properties"]["kubernetesVersion"]
        async with self._directory.connect(self._directory.own(), bearer(question.request)) as client:
            further = upgrades_of(shown, await published(client))
        plane = {"kubernetesVersion": shown, "osType": "Linux", "upgrades": [upgrade_to(found) for found in further]}
        body = {"id": f"{stored.id}/upgradeProfiles/default", "name": "default", "type": f"{TYPE}/upgradeProfiles"}
        return Reply(body=body | {"properties": {"controlPlaneProfile": plane, "agentPoolProfiles": [plane]}})

    async def pools(self, question: Question) -> Reply:
        return Reply(body={"value": await self._pools(question)})

    async def pool(self, question: Question) -> Reply:
        wanted = question.names["pool"].lower()
        for pool in await self._pools(question):
            if pool["name"] == wanted:
                return Reply(body=pool)
        raise not_found(f"{_id(question)}/agentPools/{question.names['pool']}")

    async def _pools(self, question: Question) -> list[dict[str, Any]]:
        stored, member = await self._find(question)
        shown = cluster_to(stored.id, stored.cluster, stored.tags, member)
        return list(pools_to(stored.id, stored.cluster, shown["properties"]["kubernetesVersion"], member))

    async def _find(self, question: Question) -> tuple[Stored, MemberCluster | None]:
        id_ = _id(question)
        stored, members = await self._all(question)
        _, member = members.get(id_.lower(), _NOBODY)
        known = stored.get(id_.lower())
        if known is None and member is None:
            raise not_found(id_)
        return known or Stored(id_, {}, {}), member

    async def _all(self, question: Question) -> tuple[dict[str, Stored], dict[str, tuple[str, MemberCluster | None]]]:
        """The clusters that were created, and ids and members of all fleets, by their ids in lower case."""
        stored: dict[str, Stored] = {}
        members: dict[str, tuple[str, MemberCluster | None]] = {}
        async for hub, client in self._clients(question):
            fleet = (await read_record(client, hub, self._directory)).id
            for member in (await client.list(MemberCluster)).items:
                id_ = cluster_id(member.metadata, fleet)
                members[id_.lower()] = id_, member
            if hub == self._directory.own():
                stored = {found.id.lower(): found for found in await stored_clusters(client)}
        return stored, members

    async def _clients(self, question: Question) -> AsyncGenerator[tuple[str, Client], None]:
        token = bearer(question.request)
        refused: ApiError | None = None
        seen = False
        for hub in self._directory.hubs():
            async with self._directory.connect(hub, token) as client:
                try:
                    await read_record(client, hub, self._directory)
                except (Unauthorized, Forbidden) as error:
                    refused = error
                    continue
                seen = True
                yield hub, client
        if refused is not None and not seen:
            raise from_hub(refused, {}) from refused


def _credentials(directory: Directory, hub: str, member: str, token: str) -> Reply:
    text = directory.member_kubeconfig(hub, member, token)
    if text is None:
        raise not_allowed(f"The member {member!r} is reached where it runs; this hub has no credentials of it.")
    return Reply(body={"kubeconfigs": [{"name": "clusterUser", "value": base64.b64encode(text).decode()}]})


async def stored_clusters(client: Client) -> list[Stored]:
    """The clusters that were created, of the hub that makes others."""
    configs = await client.list(CONFIG_MAPS, namespace=names.SYSTEM_NAMESPACE, labels={LABEL: "true"})
    return [_stored(config) for config in configs.items]


async def stored_cluster(directory: Directory, token: str, id_: str) -> Stored | None:
    """The cluster that was created under an id, if any."""
    async with directory.connect(directory.own(), token) as client:
        try:
            config = await found(client.get(CONFIG_MAPS, cluster_key(id_)))
        except (Forbidden, Unauthorized):
            return None
    return None if config is None else _stored(config)


async def _with_version(client: Client, cluster: dict[str, Any]) -> dict[str, Any]:
    """With a whole version, where the request named a minor one or none: the newest that is published."""
    asked: str = cluster.get("kubernetesVersion", "")
    if asked.count(".") >= 2:
        return cluster
    versions = [release.version for release in await published(client) if not release.preview]
    fitting = [version for version in versions if not asked or version.startswith(f"{asked}.")]
    if not fitting and asked:
        known = ", ".join(versions) or "none"
        message = f"{asked!r} is in no release catalogue; there are: {known}"
        raise ArmError(400, "K8sVersionNotSupported", message, target="properties.kubernetesVersion")
    newest = max(fitting, key=parts_of, default="")
    return {**cluster, "kubernetesVersion": newest} if newest else cluster


def _stored(config: Mapping[str, Any]) -> Stored:
    data = config.get("data") or {}
    return Stored(data.get("id", ""), json.loads(data.get("cluster", "{}")), json.loads(data.get("tags", "{}")))


def cluster_key(id_: str) -> tuple[str, str]:
    """The ConfigMap of a cluster that was created."""
    digest = hashlib.sha256(id_.lower().encode()).hexdigest()[:16]
    return names.SYSTEM_NAMESPACE, f"managed-cluster-{digest}"


def _id(question: Question) -> str:
    given = question.names
    start = f"/subscriptions/{given['subscription']}/resourceGroups/{given['group']}"
    return f"{start}/providers/Microsoft.ContainerService/managedClusters/{given['name']}"
