"""Objects within objects (``x-kubernetes-embedded-resource``) and the metadata at the root.

Such a value is a whole Kubernetes object: it must say its ``apiVersion`` and ``kind``, and its
``metadata`` is ObjectMeta whatever the schema says, so unknown fields of it are pruned and its names
and labels checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from echelon.apiserver import names
from echelon.apiserver.errors import FieldError
from echelon.apiserver.schema import wording
from echelon.apiserver.schema.faults import EMBEDDED, Fault, Faults

TYPE_AND_METADATA = ("apiVersion", "kind", "metadata")

_OWNER_FIELDS = dict.fromkeys(("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"))
_MANAGED_FIELDS = dict.fromkeys(("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"))
# Fields of ObjectMeta; those with fields of their own name them.
_METADATA_FIELDS: Mapping[str, Mapping[str, None] | None] = {
    **dict.fromkeys(
        (
            "name",
            "generateName",
            "namespace",
            "selfLink",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "labels",
            "annotations",
            "finalizers",
        )
    ),
    "ownerReferences": _OWNER_FIELDS,
    "managedFields": _MANAGED_FIELDS,
}


def prune_metadata(metadata: Any, path: str, removed: list[str]) -> None:
    """Remove what ObjectMeta does not know, in place."""
    if not isinstance(metadata, dict):
        return
    for name in list(metadata):
        if name not in _METADATA_FIELDS:
            removed.append(f"{path}.{name}")
            del metadata[name]
            continue
        known = _METADATA_FIELDS[name]
        if known is not None and isinstance(metadata[name], list):
            for index, entry in enumerate(metadata[name]):
                _prune_entry(entry, known, f"{path}.{name}[{index}]", removed)


def _prune_entry(entry: Any, known: Mapping[str, None], path: str, removed: list[str]) -> None:
    if isinstance(entry, dict):
        for name in [name for name in entry if name not in known]:
            removed.append(f"{path}.{name}")
            del entry[name]


def check_embedded(value: dict[str, Any], path: str, faults: Faults) -> None:
    """Whether an embedded object says what it is and carries valid metadata."""
    prefix = f"{path}." if path else ""
    for name in ("apiVersion", "kind"):
        if name not in value:
            faults.append(Fault(wording.required(prefix + name), EMBEDDED))
    errors = [
        *_about_api_version(value.get("apiVersion", _ABSENT), prefix + "apiVersion"),
        *_about_kind(value.get("kind", _ABSENT), prefix + "kind"),
        *_about_metadata(value.get("metadata", _ABSENT), prefix + "metadata"),
    ]
    faults += [Fault(error, EMBEDDED) for error in errors]


_ABSENT = object()


def _about_api_version(value: object, path: str) -> Iterator[FieldError]:
    if value is _ABSENT:
        return
    if not isinstance(value, str):
        yield wording.invalid(path, value, "must be a string")
    elif not value:
        yield wording.invalid(path, value, "must not be empty")
    elif value.count("/") > 1:
        yield wording.invalid(path, value, f"unexpected GroupVersion string: {value}")


def _about_kind(value: object, path: str) -> Iterator[FieldError]:
    if value is _ABSENT:
        return
    if not isinstance(value, str):
        yield wording.invalid(path, value, "must be a string")
    elif not value:
        yield wording.invalid(path, value, "must not be empty")
    elif problems := names.dns_1035_label(value.lower()):
        detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
        yield wording.invalid(path, value, detail)


def _about_metadata(value: Any, path: str) -> Iterator[FieldError]:
    if value is _ABSENT:
        return
    if not isinstance(value, dict):
        yield wording.invalid(path, value, "must be an object")
        return
    yield from _about_names(value, path)
    yield from _about_pairs(value.get("labels"), f"{path}.labels", labels=True)
    yield from _about_pairs(value.get("annotations"), f"{path}.annotations", labels=False)


def _about_names(metadata: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for field in ("name", "generateName", "namespace"):
        text = metadata.get(field)
        if text is None or text == "":
            continue
        if not isinstance(text, str):
            yield wording.invalid(f"{path}.{field}", text, "must be a string")
            continue
        rule = names.dns_label if field == "namespace" else names.path_segment
        yield from (wording.invalid(f"{path}.{field}", text, problem) for problem in rule(text))


def _about_pairs(pairs: Any, path: str, *, labels: bool) -> Iterator[FieldError]:
    if pairs is None:
        return
    if not isinstance(pairs, dict):
        yield wording.invalid(path, pairs, "must be an object")
        return
    for key, text in pairs.items():
        problems = names.qualified_name(key if labels else key.lower())
        yield from (wording.invalid(path, key, problem) for problem in problems)
        if not isinstance(text, str):
            yield wording.invalid(path, text, "must be a string")
        elif labels:
            yield from (wording.invalid(path, text, problem) for problem in names.label_value(text))
