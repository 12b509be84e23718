"""The manifests of a Work, read and checked before any of them is applied.

Pure. A manifest that cannot be applied is not lost: it keeps its place and carries its problem. What
only the cluster that it came from can know (uid, owners, status, …) is taken out of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from echelon.api import names
from echelon.api.conditions import MANIFEST_DECODING_FAILED, MANIFEST_DUPLICATED, MANIFEST_GENERATE_NAME
from echelon.api.meta import Resource
from echelon.api.work import WorkResourceIdentifier

Object = dict[str, Any]
Identity = tuple[str, str, str, str]  # group, kind, namespace, name

_KEPT_METADATA = ("name", "namespace", "labels", "annotations", "finalizers")
_OWN_ANNOTATIONS = frozenset({names.LAST_APPLIED, names.SPEC_HASH})


class Manifest(msgspec.Struct, frozen=True):
    """One manifest. ``problem`` is a reason and a message when it cannot be applied.

    ``content`` is what is to be applied, ``digest`` its hash (for the annotation ``spec-hash``).
    """

    ordinal: int
    content: Object
    digest: str = ""
    problem: tuple[str, str] | None = None

    @property
    def group(self) -> str:
        return str(self.content.get("apiVersion", "")).rpartition("/")[0]

    @property
    def version(self) -> str:
        return str(self.content.get("apiVersion", "")).rpartition("/")[2]

    @property
    def kind(self) -> str:
        return str(self.content.get("kind", ""))

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.content.get("metadata") or {}

    @property
    def name(self) -> str:
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace", ""))

    @property
    def identity(self) -> Identity:
        return self.group, self.kind, self.namespace, self.name

    def identifier(self, resource: str) -> WorkResourceIdentifier:
        """How the manifest is named in reports; ``resource`` is the plural by which its kind is served."""
        return WorkResourceIdentifier(
            ordinal=self.ordinal,
            group=self.group,
            version=self.version,
            kind=self.kind,
            resource=resource,
            namespace=self.namespace,
            name=self.name,
        )


def read_manifests(texts: Sequence[bytes | msgspec.Raw]) -> list[Manifest]:
    """The manifests in their order, each with the problem that keeps it from being applied, if there is one."""
    seen: set[Identity] = set()
    manifests = []
    for ordinal, text in enumerate(texts):
        manifest = _read(ordinal, bytes(text))
        if manifest.problem is None and manifest.identity in seen:
            where = "/".join(filter(None, manifest.identity[2:]))
            message = f"{manifest.kind} {where} appears more than once in the Work"
            manifest = msgspec.structs.replace(manifest, problem=(MANIFEST_DUPLICATED, message))
        seen.add(manifest.identity)
        manifests.append(manifest)
    return manifests


def scope_problem(manifest: Manifest, resource: Resource) -> str | None:
    """What is wrong with the namespace of a manifest, now that its kind is known."""
    if resource.namespaced and not manifest.namespace:
        return f"manifest {manifest.ordinal} has no namespace, but {manifest.kind} is namespaced"
    if manifest.namespace and not resource.namespaced:
        return f"manifest {manifest.ordinal} has the namespace {manifest.namespace!r}, but {manifest.kind} has none"
    return None


def _read(ordinal: int, text: bytes) -> Manifest:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _broken(ordinal, {}, f"manifest {ordinal} is not JSON: {error}")
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        return _broken(ordinal, {}, f"manifest {ordinal} is not a Kubernetes object")
    if not content.get("apiVersion") or not content.get("kind"):
        return _broken(ordinal, content, f"manifest {ordinal} has no apiVersion or no kind")
    generated = content["metadata"].get("generateName")
    if content["metadata"].get("name"):
        cleaned = _cleaned(content)
        return Manifest(ordinal, cleaned, _digest(cleaned))
    if generated:
        message = f"manifest {ordinal} has no name, only the generateName {generated!r}"
        return Manifest(ordinal, content, problem=(MANIFEST_GENERATE_NAME, message))
    return _broken(ordinal, content, f"manifest {ordinal} has no name")


def _broken(ordinal: int, content: Object, message: str) -> Manifest:
    return Manifest(ordinal, content, problem=(MANIFEST_DECODING_FAILED, message))


def _cleaned(content: Object) -> Object:
    """The manifest without what belongs to the cluster it came from, and without the agent's own marks."""
    metadata = {key: value for key, value in content["metadata"].items() if key in _KEPT_METADATA and value}
    annotations = metadata.pop("annotations", None) or {}
    if kept := {key: value for key, value in annotations.items() if key not in _OWN_ANNOTATIONS}:
        metadata["annotations"] = kept
    return {key: value for key, value in content.items() if key != "status"} | {"metadata": metadata}


def _digest(content: Object) -> str:
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
