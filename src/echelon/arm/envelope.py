"""What all resources have around their properties: id, name, type, systemData, eTag.

An eTag stands for one state of one object. It holds the quotes of the header within it, as the service has
it; clients send it with and without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from echelon.api import names
from echelon.api.meta import ObjectMeta
from echelon.arm.errors import precondition_failed
from echelon.arm.ids import PROVIDER

CREATED_BY = names.OWN_PREFIX + "created-by"
MODIFIED_BY = names.OWN_PREFIX + "last-modified-by"
MODIFIED_AT = names.OWN_PREFIX + "last-modified-at"
_AUDIT = (CREATED_BY, MODIFIED_BY, MODIFIED_AT)


def enveloped(
    metadata: ObjectMeta, id_: str, type_: str, properties: Mapping[str, Any], *, name: str = ""
) -> dict[str, Any]:
    """A resource as it is on the wire; ``type_`` is its type below ``fleets``, empty for a fleet."""
    return {
        "id": id_,
        "name": name or metadata.name,
        "type": "/".join(filter(None, (PROVIDER, "fleets", type_))),
        "eTag": etag(metadata),
        "systemData": system_data(metadata),
        "properties": dict(properties),
    }


def etag(metadata: ObjectMeta) -> str:
    return f'"{metadata.uid}-{metadata.resource_version}"'


def system_data(metadata: ObjectMeta) -> dict[str, str]:
    """Who made a resource and who changed it last, as far as its object tells."""
    notes = metadata.annotations
    created = metadata.creation_timestamp or ""
    found = {
        "createdBy": notes.get(CREATED_BY, ""),
        "createdByType": "User",
        "createdAt": created,
        "lastModifiedBy": notes.get(MODIFIED_BY) or notes.get(CREATED_BY, ""),
        "lastModifiedByType": "User",
        "lastModifiedAt": notes.get(MODIFIED_AT) or created,
    }
    return {key: value for key, value in found.items() if value}


def check_preconditions(present: ObjectMeta | None, if_match: str | None, if_none_match: str | None) -> None:
    """Hold a request against the state that it was written for.

    Raises:
        ArmError: 412, the resource is in another state, is there although it must not be, or is not there.
    """
    if (
        if_none_match is not None
        and present is not None
        and (if_none_match.strip() == "*" or _names(if_none_match, present))
    ):
        raise precondition_failed(f"The resource {present.name!r} exists; If-None-Match is {if_none_match!r}.")
    if if_match is None:
        return
    if present is None:
        raise precondition_failed(f"The resource does not exist; If-Match is {if_match!r}.")
    if if_match.strip() != "*" and not _names(if_match, present):
        raise precondition_failed(
            f"The resource {present.name!r} has changed: its eTag is {etag(present)}, not {if_match!r}."
        )


def _names(header: str, metadata: ObjectMeta) -> bool:
    return etag(metadata).strip('"') in (_bare(tag) for tag in header.split(","))


def _bare(tag: str) -> str:
    return tag.strip().removeprefix("W/").strip('"\\')
