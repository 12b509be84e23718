"""Objects within objects (``x-kubernetes-embedded-resource``) and the metadata at the root.

Such a value is a whole Kubernetes object: it must say its ``apiVersion`` and ``kind``, and its
``metadata`` is ObjectMeta whatever the schema says, so unknown fields of it are pruned and its names
and labels checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

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

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?", re.ASCII)
_QUALIFIED_PART = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?", re.ASCII)
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_DNS_1035_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)

_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation "
    "is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_QUALIFIED_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_DNS_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_DNS_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)


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
    elif len(value) > 63 or not _DNS_1035_LABEL.fullmatch(value.lower()):
        rule = "must be no more than 63 characters" if len(value) > 63 else _DNS_1035_RULE
        yield wording.invalid(path, value, f"may have mixed case, but should otherwise match: {rule}")


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
        elif field == "namespace":
            if len(text) > 63 or not _DNS_LABEL.fullmatch(text):
                yield wording.invalid(f"{path}.{field}", text, _DNS_LABEL_RULE)
        elif field == "name" and text in (".", ".."):
            yield wording.invalid(f"{path}.{field}", text, f"may not be '{text}'")
        else:
            for forbidden in ("/", "%"):
                if forbidden in text:
                    yield wording.invalid(f"{path}.{field}", text, f"may not contain '{forbidden}'")


def _about_pairs(pairs: Any, path: str, *, labels: bool) -> Iterator[FieldError]:
    if pairs is None:
        return
    if not isinstance(pairs, dict):
        yield wording.invalid(path, pairs, "must be an object")
        return
    for key, text in pairs.items():
        yield from _about_key(key if labels else key.lower(), key, path)
        if not isinstance(text, str):
            yield wording.invalid(f"{path}.{key}" if labels else path, text, "must be a string")
        elif labels and len(text) > 63:
            yield wording.invalid(path, text, "must be no more than 63 bytes")
        elif labels and not _LABEL_VALUE.fullmatch(text):
            yield wording.invalid(path, text, _LABEL_VALUE_RULE)


def _about_key(checked: str, key: str, path: str) -> Iterator[FieldError]:
    prefix, separator, name = checked.rpartition("/")
    if separator and (len(prefix) > 253 or not _DNS_SUBDOMAIN.fullmatch(prefix)):
        yield wording.invalid(path, key, "prefix part must be a lowercase RFC 1123 subdomain")
    if not name:
        yield wording.invalid(path, key, "name part must be non-empty")
    elif len(name) > 63:
        yield wording.invalid(path, key, "name part must be no more than 63 bytes")
    elif not _QUALIFIED_PART.fullmatch(name):
        yield wording.invalid(path, key, _QUALIFIED_NAME_RULE)
