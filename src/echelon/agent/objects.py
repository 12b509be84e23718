"""Applies one manifest on the member: reads what is there, decides whether it may be touched, writes what differs.

What is there is read from a cache that watches each kind in each namespace where something was
applied. The same watch tells when an applied object changes, so a Deployment that becomes ready and
an object that somebody edits are both known at once, without asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from echelon.agent.manifests import Manifest
from echelon.agent.three_way import three_way_patch
from echelon.api import names
from echelon.api.conditions import (
    MANIFEST_APPLIED,
    MANIFEST_APPLY_FAILED,
    MANIFEST_DECODING_FAILED,
    MANIFEST_NOT_FOUND,
    MANIFEST_TAKE_OVER_FAILED,
)
from echelon.api.meta import Resource
from echelon.api.work import AppliedWork
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.errors import ApiError
from echelon.kube.informer import Change, Informer
from echelon.kube.kinds import Unstructured
from echelon.kube.mapper import NoSuchKind
from echelon.kube.patches import MergePatch

Object = dict[str, Any]
_APPLIED_WORK_GROUP = AppliedWork.resource.group


class Outcome(msgspec.Struct, frozen=True):
    """What became of a manifest. ``live`` is the object as it is now, None when it was not applied."""

    manifest: Manifest
    resource: str
    reason: str
    message: str
    live: Object | None = None

    @property
    def applied(self) -> bool:
        return self.live is not None


class Refused(Exception):
    """An object that is there and must not be touched."""


class ObjectApplier:
    """Applies manifests on one member, for one AppliedWork at a time."""

    def __init__(self, client: Client, cache: SharedCache, on_change: Callable[[str], None]) -> None:
        """``on_change`` is called with the name of the AppliedWork that owns a changed object."""
        self._client = client
        self._cache = cache
        self._on_change = on_change
        self._watched: set[Informer[Object]] = set()

    async def apply(self, manifest: Manifest, owner: AppliedWork) -> Outcome:
        """Bring the object of a manifest to what it says."""
        if manifest.problem is not None:
            return Outcome(manifest, "", *manifest.problem)
        resource = ""
        try:
            found = await self._client.mapper.resource(str(manifest.content["apiVersion"]), manifest.kind)
            resource = found.plural
            live = await self._read(found, manifest)
        except NoSuchKind as error:
            return Outcome(manifest, resource, MANIFEST_DECODING_FAILED, str(error))
        except ApiError as error:
            return Outcome(manifest, resource, MANIFEST_NOT_FOUND, str(error))
        try:
            live = await self._write(found, manifest, owner, live)
        except Refused as refusal:
            return Outcome(manifest, resource, MANIFEST_TAKE_OVER_FAILED, str(refusal))
        except ApiError as error:
            return Outcome(manifest, resource, MANIFEST_APPLY_FAILED, f"Failed to apply the manifest: {error}")
        return Outcome(manifest, resource, MANIFEST_APPLIED, "Manifest has been applied successfully", live)

    async def remove(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete an object that is no longer wanted, if it is still the one that was applied."""
        await self._client.delete(Unstructured(resource), (namespace, name), uid=uid, missing_ok=True)

    async def _read(self, resource: Resource, manifest: Manifest) -> Object | None:
        informer = self._cache.informer(Unstructured(resource), namespace=manifest.namespace or None)
        if informer not in self._watched:
            self._watched.add(informer)
            informer.add_handler(self._changed)
        await informer.wait_for_sync()
        return informer.get((manifest.namespace, manifest.name))

    def _changed(self, change: Change[Object]) -> None:
        if change.initial:
            return
        for reference in change.object["metadata"].get("ownerReferences") or ():
            if _is_applied_work(reference):
                self._on_change(reference["name"])

    async def _write(self, resource: Resource, manifest: Manifest, owner: AppliedWork, live: Object | None) -> Object:
        kind = Unstructured(resource)
        reference = _reference(owner)
        content = _without_owned(manifest.content)
        if live is None:
            return await self._client.create(_prepared(content, reference), kind)
        _check_ownership(live, owner)
        patch = three_way_patch(_last_applied(live), content, live)
        metadata = _metadata_patch(patch.get("metadata") or {}, content, live, reference)
        if metadata:
            patch["metadata"] = metadata
        if not patch:
            return live
        return await self._client.patch(kind, (manifest.namespace, manifest.name), MergePatch(patch))


def _without_owned(content: Mapping[str, Any]) -> Object:
    """The manifest without what belongs to the cluster it came from."""
    metadata = {
        key: value for key, value in content["metadata"].items() if key not in ("uid", "resourceVersion", "generation")
    }
    return {key: value for key, value in content.items() if key != "status"} | {"metadata": metadata}


def _prepared(content: Object, reference: Object) -> Object:
    """A new object: the manifest, what was applied as an annotation, and its owner."""
    metadata = dict(content["metadata"])
    metadata["annotations"] = {**(metadata.get("annotations") or {}), names.LAST_APPLIED: _text(content)}
    metadata["ownerReferences"] = [reference]
    return content | {"metadata": metadata}


def _metadata_patch(changes: Object, content: Object, live: Object, reference: Object) -> Object:
    """Changes of the metadata, with the annotation of what is applied and the owner where they are missing."""
    metadata = dict(changes)
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(names.LAST_APPLIED, None)
    text = _text(content)
    if (live["metadata"].get("annotations") or {}).get(names.LAST_APPLIED) != text:
        annotations[names.LAST_APPLIED] = text
    if annotations:
        metadata["annotations"] = annotations
    else:
        metadata.pop("annotations", None)
    owners = live["metadata"].get("ownerReferences") or []
    if not any(owner["uid"] == reference["uid"] for owner in owners):
        metadata["ownerReferences"] = [*owners, reference]
    return metadata


def _text(content: Object) -> str:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS).decode()


def _last_applied(live: Object) -> Mapping[str, Any]:
    text = (live["metadata"].get("annotations") or {}).get(names.LAST_APPLIED)
    if text is None:
        return {}
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return last if isinstance(last, dict) else {}


def _is_applied_work(reference: Mapping[str, Any]) -> bool:
    group = str(reference.get("apiVersion", "")).rpartition("/")[0]
    return group == _APPLIED_WORK_GROUP and reference.get("kind") == AppliedWork.resource.kind


def _reference(owner: AppliedWork) -> Object:
    return {
        "apiVersion": owner.resource.api_version,
        "kind": owner.resource.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "blockOwnerDeletion": True,
    }


def _check_ownership(live: Object, owner: AppliedWork) -> None:
    """An object that another placement put there stays that placement's."""
    for reference in live["metadata"].get("ownerReferences") or ():
        if _is_applied_work(reference) and reference["uid"] != owner.metadata.uid:
            raise Refused(
                f"the object is owned by another placement on this member (AppliedWork {reference['name']}); "
                "remove it from one of the two placements"
            )
