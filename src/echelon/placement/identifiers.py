"""Names of selected objects, as a placement's status lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from echelon.api.placement import ResourceIdentifier
from echelon.placement.selection import Object


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class _Named(msgspec.Struct, frozen=True, rename="camel"):
    """The few fields of a manifest that name it; the rest is not decoded."""

    api_version: str
    kind: str
    metadata: _Metadata


_decoder = msgspec.json.Decoder(_Named)


def identifiers_of(resources: Iterable[Object]) -> tuple[ResourceIdentifier, ...]:
    """The names of objects."""
    return tuple(_identifier(resource["apiVersion"], resource["kind"], resource["metadata"]) for resource in resources)


def identifiers_of_manifests(manifests: Iterable[msgspec.Raw]) -> tuple[ResourceIdentifier, ...]:
    """The names of objects that are kept as text."""
    found = (_decoder.decode(manifest) for manifest in manifests)
    return tuple(
        _identifier(named.api_version, named.kind, {"name": named.metadata.name, "namespace": named.metadata.namespace})
        for named in found
    )


def _identifier(api_version: str, kind: str, metadata: Mapping[str, str]) -> ResourceIdentifier:
    group, _, version = api_version.rpartition("/")
    return ResourceIdentifier(
        group=group, version=version, kind=kind, name=metadata["name"], namespace=metadata.get("namespace", "")
    )
