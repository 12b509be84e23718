"""The manifests of a Work, read and checked before any of them is applied.

Pure. A manifest that cannot be applied is not lost: it keeps its place and carries its problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from echelon.api.conditions import MANIFEST_DECODING_FAILED, MANIFEST_DUPLICATED, MANIFEST_GENERATE_NAME
from echelon.api.work import WorkResourceIdentifier

Object = Mapping[str, Any]


class Manifest(msgspec.Struct, frozen=True):
    """One manifest. ``problem`` is a reason and a message when it cannot be applied."""

    ordinal: int
    content: Object
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
    seen: set[tuple[str, str, str, str]] = set()
    manifests = []
    for ordinal, text in enumerate(texts):
        manifest = _read(ordinal, bytes(text))
        key = (manifest.group, manifest.kind, manifest.namespace, manifest.name)
        if manifest.problem is None and key in seen:
            message = f"{manifest.kind} {'/'.join(filter(None, key[2:]))} appears more than once in the Work"
            manifest = msgspec.structs.replace(manifest, problem=(MANIFEST_DUPLICATED, message))
        seen.add(key)
        manifests.append(manifest)
    return manifests


def _read(ordinal: int, text: bytes) -> Manifest:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Manifest(ordinal, {}, (MANIFEST_DECODING_FAILED, f"manifest {ordinal} is not JSON: {error}"))
    if not isinstance(content, dict) or not isinstance(content.get("metadata"), dict):
        return Manifest(ordinal, {}, (MANIFEST_DECODING_FAILED, f"manifest {ordinal} is not a Kubernetes object"))
    if not content.get("apiVersion") or not content.get("kind"):
        message = f"manifest {ordinal} has no apiVersion or no kind"
        return Manifest(ordinal, content, (MANIFEST_DECODING_FAILED, message))
    if not content["metadata"].get("name"):
        generated = content["metadata"].get("generateName")
        message = f"manifest {ordinal} has no name" + (f", only the generateName {generated!r}" if generated else "")
        reason = MANIFEST_GENERATE_NAME if generated else MANIFEST_DECODING_FAILED
        return Manifest(ordinal, content, (reason, message))
    return Manifest(ordinal, content)
