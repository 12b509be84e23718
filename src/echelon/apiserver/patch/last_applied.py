"""From client-side to server-side apply, as kubectl does it.

``kubectl apply`` keeps the configuration it last applied in an annotation. When an object made so
is applied server-side by the manager ``kubectl``, the fields of which the annotation speaks belong
to the same user, though ``managedFields`` say that an update wrote them: they are no conflicts. The
annotation is kept up to date, so that the user may go back.
"""

from __future__ import annotations

import orjson

from echelon.apiserver.patch.comparison import compare
from echelon.apiserver.patch.fieldset import EMPTY, FieldSet, difference
from echelon.apiserver.patch.type_tree import Type
from echelon.apiserver.patch.typed import field_set
from echelon.apiserver.patch.values import Object

MANAGER = "kubectl"

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def upgradable(live: Object, api_version: str, kind: Type) -> FieldSet:
    """The fields that were last applied client-side and still have the values given then."""
    text = _annotation(live)
    if not text:
        return EMPTY
    try:
        applied = orjson.loads(text)
    except orjson.JSONDecodeError:
        return EMPTY
    if not isinstance(applied, dict) or applied.get("apiVersion") != api_version:
        return EMPTY
    changes = compare(applied, live, kind)
    return difference(difference(field_set(applied, kind), changes.set), changes.removed)


def refreshed(obj: Object, applied: Object) -> Object:
    """The object, its annotation, if it has one, telling what was applied now."""
    if not _annotation(obj):
        return obj
    metadata = dict(applied.get("metadata") or {})
    annotations = {name: text for name, text in (metadata.get("annotations") or {}).items() if name != ANNOTATION}
    if "annotations" in metadata:
        metadata["annotations"] = annotations
    text = orjson.dumps({**applied, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    updated = {**obj["metadata"], "annotations": {**obj["metadata"]["annotations"], ANNOTATION: text}}
    return {**obj, "metadata": updated}


def _annotation(obj: Object) -> str:
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION)
    return text if isinstance(text, str) else ""
