"""Client-side apply: what is sent to make an object what a manifest says.

Pure. The manifest applied last is kept in an annotation of the object, so that the next apply knows
which fields it may take back (see ``three_way``). An object whose annotations would grow beyond what
an API server takes cannot be applied this way; the caller then uses server-side apply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from echelon.agent.manifests import Manifest
from echelon.agent.three_way import three_way_patch
from echelon.api import names

Object = Mapping[str, Any]

ANNOTATION_LIMIT = 256 * 1024  # bytes of keys and values of all annotations of an object together


def marks(manifest: Manifest, present: Mapping[str, str]) -> dict[str, str] | None:
    """The annotations that the agent adds, or None when they do not fit beside those that are there."""
    text = orjson.dumps(manifest.content, option=orjson.OPT_SORT_KEYS).decode()
    added = {names.LAST_APPLIED: text, names.SPEC_HASH: manifest.digest}
    everything = {**present, **(manifest.metadata.get("annotations") or {}), **added}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in everything.items())
    return added if size <= ANNOTATION_LIMIT else None


def created(manifest: Manifest, added: Mapping[str, str], owner: Object) -> dict[str, Any]:
    """A new object: the manifest with the agent's marks and its owner."""
    annotations = {**(manifest.metadata.get("annotations") or {}), **added}
    return manifest.content | {
        "metadata": {**manifest.metadata, "annotations": annotations, "ownerReferences": [owner]}
    }


def patch(
    manifest: Manifest, live: Object, added: Mapping[str, str], owners: Sequence[Object] | None
) -> dict[str, Any]:
    """The merge patch that makes the object what the manifest says, empty when it is.

    ``owners`` are the owners that it has to name, None when it names them. A patch of the owners
    holds only for the version of the object that was read: the list is replaced whole.
    """
    changes = three_way_patch(_last_applied(live), _beside_others(manifest.content, live), live)
    metadata = dict(changes.pop("metadata", {}))
    present = live["metadata"].get("annotations") or {}
    annotations = dict(metadata.pop("annotations", None) or {})
    annotations |= {key: value for key, value in added.items() if present.get(key) != value}
    if annotations:
        metadata["annotations"] = annotations
    if owners is not None:
        metadata["ownerReferences"] = list(owners)
        metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
    return changes | ({"metadata": metadata} if metadata else {})


def _beside_others(content: Object, live: Object) -> Object:
    """The manifest with labels and annotations even where it has none: then only the agent's own are taken back."""
    shared: dict[str, Any] = {key: {} for key in ("labels", "annotations") if key in live["metadata"]}
    return {**content, "metadata": {**shared, **content["metadata"]}}


def _last_applied(live: Object) -> Mapping[str, Any]:
    text = (live["metadata"].get("annotations") or {}).get(names.LAST_APPLIED)
    if text is None:
        return {}
    try:
        last = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}  # somebody else wrote it: no field was the agent's
    return last if isinstance(last, dict) else {}
