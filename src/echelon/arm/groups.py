"""Resource groups: where fleets and clusters are, and those that wait for their first.

A group that a fleet is in is there by that. One that was created is a ConfigMap of the hub that makes others, so that
a client can create a group first and ask it for its location when it creates the fleet. Deleting a group deletes what
is in it, as clients of ARM expect: all of it, or nothing where something may not be deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from echelon.api import names
from echelon.arm import surroundings
from echelon.arm.around import Answering, Question, of_subscription
from echelon.arm.call import Reply, object_of
from echelon.arm.clusters import cluster_key, stored_clusters
from echelon.arm.directory import CONFIG_MAPS, Directory, Record
from echelon.arm.errors import ArmError, from_hub, invalid, not_allowed
from echelon.arm.handlers.fleets import check_right, ensure_namespace, tags_of
from echelon.arm.ids import PROVIDER
from echelon.arm.requests import bearer
from echelon.arm.router import Route
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Forbidden, NotFound, Unauthorized
from echelon.kube.patches import ApplyPatch

T = TypeVar("T")
LABEL = names.OWN_PREFIX + "resource-group"
_NAME = re.compile(r"[-\w.()]{0,89}[-\w()]")
_ONE = "/subscriptions/{subscription}/resourceGroups/{group}"


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A resource group."""

    subscription: str
    name: str
    location: str
    tags: Mapping[str, str] = {}

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def shown(self) -> dict[str, Any]:
        return surroundings.resource_group(self.id, self.location, self.tags)


class ResourceGroups:
    """The groups of the fleets that a caller sees, and those that were created."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route[Answering]]:
        return [
            Route("GET", "/subscriptions/{subscription}/resourceGroups", self.list_),
            Route("GET", _ONE, self.get),
            Route("HEAD", _ONE, self.exists),
            Route("PUT", _ONE, self.put),
            Route("PATCH", _ONE, self.patch),
            Route("DELETE", _ONE, self.delete),
            Route("GET", f"{_ONE}/resources", self.resources),
        ]

    async def list_(self, question: Question) -> Reply:
        found = await self._all(question)
        return Reply(body={"value": [found[name].shown() for name in sorted(found)]})

    async def get(self, question: Question) -> Reply:
        return Reply(body=(await self._one(question)).shown())

    async def exists(self, question: Question) -> Reply:
        await self._one(question)
        return Reply(status=204)

    async def put(self, question: Question) -> Reply:
        """Create a group, or set the tags of one; where it is, is fixed."""
        name = question.names["group"]
        if not _NAME.fullmatch(name):
            message = (
                f"{name!r} is no name; want 1 to 90 letters, digits, '-', '_', '.' and brackets, no '.' at the end"
            )
            raise invalid(message, "name")
        body = object_of(question.body, "")
        location = body.get("location")
        if not isinstance(location, str) or not location.strip():
            raise ArmError(400, "LocationRequired", "A resource group needs a location, such as eastus.")
        present = (await self._all(question)).get(name.lower())
        if present is not None and _plain(location) != _plain(present.location):
            message = f"The resource group {name!r} is in {present.location!r} already, and cannot be in {location!r}."
            raise ArmError(409, "InvalidResourceGroupLocation", message)
        group = Group(
            subscription=question.names["subscription"],
            name=name if present is None else present.name,
            location=_plain(location) if present is None else present.location,
            tags=tags_of(body.get("tags")),
        )
        return Reply(status=201 if present is None else 200, body=await self._keep(question, group))

    async def patch(self, question: Question) -> Reply:
        """Set the tags of a group."""
        present = await self._one(question)
        body = object_of(question.body, "")
        tags = tags_of(body["tags"]) if "tags" in body else present.tags
        return Reply(body=await self._keep(question, msgspec.structs.replace(present, tags=tags)))

    async def delete(self, question: Question) -> Reply:
        """Delete a group with its fleets and the clusters that were created in it."""
        group, token = await self._one(question), bearer(question.request)
        fleets = [found for found in await self._records(question) if _key(found[1].id.group) == _key(group.name)]
        for hub, record in fleets:
            if hub == self._directory.own():
                raise not_allowed(
                    f"The resource group {group.name!r} holds the fleet {record.id.name!r}, "
                    "which is the server's own and ends with the server's data."
                )
            async with self._directory.connect(hub, token) as client:
                await check_right(client, "delete", record.id)
        for hub, _ in fleets:
            await self._directory.remove(hub)
        async with self._own(question) as client:
            inside = [cluster_key(found.id) for found in await stored_clusters(client) if _is_in(found.id, group)]
            for kept in (*inside, _config(group.id)):
                await client.delete(CONFIG_MAPS, kept, missing_ok=True)
        return Reply(status=200)

    async def resources(self, question: Question) -> Reply:
        """The fleets of a group and the clusters that were created in it."""
        group = await self._one(question)
        async with self._own(question) as client:
            clusters = [found for found in await _or_none(stored_clusters(client)) if _is_in(found.id, group)]
        fleets = [found for _, found in await self._records(question) if _key(found.id.group) == _key(group.name)]
        shown = [_resource(str(found.id), "fleets", found.location, found.tags) for found in fleets]
        shown += [_resource(found.id, "managedClusters", found.cluster["region"], found.tags) for found in clusters]
        return Reply(body={"value": shown})

    async def _one(self, question: Question) -> Group:
        found = (await self._all(question)).get(_key(question.names["group"]))
        if found is None:
            message = f"Resource group {question.names['group']!r} could not be found."
            raise ArmError(404, "ResourceGroupNotFound", message)
        return found

    async def _all(self, question: Question) -> dict[str, Group]:
        """The groups of a subscription, by their names in lower case."""
        subscription = question.names["subscription"]
        found: dict[str, Group] = {}
        for _, record in await self._records(question):
            group = Group(subscription=subscription, name=record.id.group, location=record.location)
            found.setdefault(_key(group.name), group)
        async with self._own(question) as client:
            configs = client.list(CONFIG_MAPS, namespace=names.SYSTEM_NAMESPACE, labels={LABEL: "true"})
            kept = await _or_none(configs)
        for config in kept.items if kept else ():
            group = _group(config)
            if _key(group.subscription) == _key(subscription):
                found[_key(group.name)] = group
        return found

    async def _records(self, question: Question) -> list[tuple[str, Record]]:
        return await of_subscription(self._directory, question)

    async def _keep(self, question: Question, group: Group) -> dict[str, Any]:
        """Write a group down; gives it as it is shown."""
        namespace, name = _config(group.id)
        data = {
            "subscriptionId": group.subscription,
            "name": group.name,
            "location": group.location,
            "tags": json.dumps(dict(group.tags), sort_keys=True),
        }
        metadata = {"name": name, "namespace": namespace, "labels": {LABEL: "true"}}
        patch = ApplyPatch({**CONFIG_MAPS.plain({}), "metadata": metadata, "data": data}, force=True)
        async with self._own(question) as client:
            try:
                await client.patch(CONFIG_MAPS, (namespace, name), patch)
            except NotFound:  # the namespace
                await ensure_namespace(client, namespace)
                await client.patch(CONFIG_MAPS, (namespace, name), patch)
        return group.shown()

    @asynccontextmanager
    async def _own(self, question: Question) -> AsyncIterator[Client]:
        """A client of the hub that makes others; what it refuses is told in ARM's words."""
        async with self._directory.connect(self._directory.own(), bearer(question.request)) as client:
            try:
                yield client
            except ApiError as error:
                raise from_hub(error, {}) from error


async def _or_none(reading: Awaitable[T]) -> T | tuple[()]:
    """What is read; nothing for a caller who may not read it, but sees a fleet."""
    try:
        return await reading
    except (Forbidden, Unauthorized):
        return ()


def _group(config: Mapping[str, Any]) -> Group:
    data: Mapping[str, str] = config.get("data") or {}
    return Group(
        subscription=data.get("subscriptionId", ""),
        name=data.get("name", ""),
        location=data.get("location", ""),
        tags=json.loads(data.get("tags", "{}")),
    )


def _resource(id_: str, type_: str, location: str, tags: Mapping[str, str]) -> dict[str, Any]:
    name = id_.rpartition("/")[2]
    return {"id": id_, "name": name, "type": f"{PROVIDER}/{type_}", "location": location, "tags": dict(tags)}


def _is_in(id_: str, group: Group) -> bool:
    return _key(id_).startswith(f"{_key(group.id)}/")


def _config(id_: str) -> tuple[str, str]:
    """The ConfigMap of a group."""
    return names.SYSTEM_NAMESPACE, f"resource-group-{hashlib.sha256(id_.lower().encode()).hexdigest()[:16]}"


def _key(text: str) -> str:
    return text.lower()


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()
