"""Puts CustomResourceDefinitions on a server: makes those that are missing, updates those that differ.

Each carries a hash of the manifest it was made from, so that an unchanged one costs nothing but its
place in one list.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.errors import AlreadyExists, Expired
from echelon.kube.kinds import Unstructured

DEFINITIONS = Unstructured(
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False)
)
_MANIFEST_HASH = "fleet.echelon.dev/manifest-hash"


async def install(client: Client, manifests: Sequence[Mapping[str, Any]]) -> None:
    """Make the server serve these kinds; returns once it does."""
    listed = await client.list(DEFINITIONS)
    present = {found["metadata"]["name"]: found for found in listed.items}
    await asyncio.gather(
        *(_install(client, _stamped(manifest), present.get(manifest["metadata"]["name"])) for manifest in manifests)
    )
    await wait_until_established(client, {manifest["metadata"]["name"] for manifest in manifests})


def _stamped(manifest: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()
    metadata = dict(manifest["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), _MANIFEST_HASH: digest}
    return {**manifest, "metadata": metadata}


def _hash(definition: Mapping[str, Any]) -> str:
    found: str = (definition["metadata"].get("annotations") or {}).get(_MANIFEST_HASH, "")
    return found


async def _install(client: Client, wanted: dict[str, Any], present: dict[str, Any] | None) -> None:
    if present is None:
        try:
            await client.create(wanted, DEFINITIONS)
            return
        except AlreadyExists:
            present = await client.get(DEFINITIONS, wanted["metadata"]["name"])
    if _hash(present) != _hash(wanted):
        labels = {**(present["metadata"].get("labels") or {}), **wanted["metadata"].get("labels", {})}
        annotations = {**_annotations(present), **_annotations(wanted)}
        metadata = {**present["metadata"], "labels": labels, "annotations": annotations}
        await client.update({**wanted, "metadata": metadata}, DEFINITIONS)


def _annotations(definition: Mapping[str, Any]) -> Mapping[str, str]:
    return definition["metadata"].get("annotations") or {}


async def wait_until_established(client: Client, names: set[str]) -> None:
    """Wait until the server serves the kinds of these definitions."""
    waiting = set(names)
    while waiting:
        listed = await client.list(DEFINITIONS)
        waiting -= {found["metadata"]["name"] for found in listed.items if is_established(found)}
        if not waiting:
            break
        with contextlib.suppress(Expired):  # then they are listed again
            async with client.watch(DEFINITIONS, resource_version=listed.resource_version) as watch:
                async for event in watch:
                    if event.object is not None and is_established(event.object):
                        waiting.discard(event.object["metadata"]["name"])
                    if not waiting:
                        break
    client.mapper.forget()


def is_established(definition: Mapping[str, Any]) -> bool:
    """Whether the server serves the kind of a definition."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
