"""Server-side apply: what is sent, and how an object that was applied client-side gets there.

Pure. A field that the agent once set by a plain write stays its own when a later apply leaves it
out, because for the server the two are different owners. So before the first apply the agent's
plain writes are turned into an apply in the object's managed fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from echelon.agent.manifests import Manifest
from echelon.api import names

Object = Mapping[str, Any]


def configuration(manifest: Manifest, owner: Object | None) -> dict[str, Any]:
    """What the agent wants to own: the manifest, its hash, and the reference to its AppliedWork.

    Without ``owner``, the manifest alone: that is what drift is judged by.
    """
    if owner is None:
        return manifest.content
    annotations = {**(manifest.metadata.get("annotations") or {}), names.SPEC_HASH: manifest.digest}
    return manifest.content | {
        "metadata": {**manifest.metadata, "annotations": annotations, "ownerReferences": [owner]}
    }


def adopted_fields(live: Object, manager: str) -> list[Object] | None:
    """The managed fields of an object with a manager's plain writes as applies; None when there are no such writes."""
    entries: Sequence[Object] = live["metadata"].get("managedFields") or ()
    plain = [entry for entry in entries if _is_of(entry, manager, "Update")]
    if not plain:
        return None
    applies = [entry for entry in entries if _is_of(entry, manager, "Apply")]
    others = [entry for entry in entries if entry not in plain and entry not in applies]
    base = (applies or plain)[0]
    fields: Object = {}
    for entry in (*applies, *plain):
        fields = _union(fields, entry.get("fieldsV1") or {})
    return [{**base, "operation": "Apply", "fieldsV1": fields}, *others]


def _is_of(entry: Object, manager: str, operation: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == operation and not entry.get("subresource")


def _union(one: Object, other: Object) -> Object:
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in {**one, **other}}
