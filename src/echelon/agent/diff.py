"""How an object of the member differs from what the hub says of it, field by field.

Pure. A field is named by a JSON pointer (RFC 6901); lists are compared item by item, in their order;
null and a missing field are the same. What an API server keeps for itself is not compared: status,
system metadata, and the marks of the agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import islice
from typing import Any, Final

import msgspec
import orjson

from echelon.api import names
from echelon.api.placement import PatchDetail

LIMIT: Final = 100  # details reported of one object
REDACTED: Final = "(redacted for security reasons)"
WHOLE_OBJECT: Final = PatchDetail(path="/", value_in_hub="(the whole object)")

_COMPARED_METADATA = ("labels", "annotations")
_OWN_ANNOTATIONS = frozenset({names.LAST_APPLIED, names.SPEC_HASH})
_SECRET_FIELDS = frozenset({"data", "stringData"})


class Missing(Enum):
    """Stands for a field that is not there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Difference(msgspec.Struct, frozen=True):
    """One field that differs; a value is MISSING where the field is not there."""

    path: tuple[str | int, ...]
    hub: Any
    member: Any


def comparable(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an object that hub and member can disagree on."""
    fields = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    metadata = {key: dict(obj["metadata"].get(key) or {}) for key in _COMPARED_METADATA}
    for key in _OWN_ANNOTATIONS:
        metadata["annotations"].pop(key, None)
    return fields | {"metadata": metadata}


def differences(hub: Any, member: Any, path: tuple[str | int, ...] = ()) -> Iterator[Difference]:
    """The fields that differ, in the order of their paths; the smallest parts that do."""
    if isinstance(hub, Mapping) and isinstance(member, Mapping):
        for key in sorted({**hub, **member}):
            yield from differences(_field(hub, key), _field(member, key), (*path, key))
    elif isinstance(hub, list) and isinstance(member, list):
        for index in range(max(len(hub), len(member))):
            yield from differences(_item(hub, index), _item(member, index), (*path, index))
    elif not _equal(hub, member):
        yield Difference(path, hub, member)


def details(found: Iterable[Difference], *, secret: bool) -> tuple[PatchDetail, ...]:
    """Differences as they are reported: at most ``LIMIT``, and without the data of a Secret."""
    return tuple(_detail(difference, secret) for difference in islice(found, LIMIT))


def is_secret(obj: Mapping[str, Any]) -> bool:
    """Whether the values of an object must not leave the cluster that it is in."""
    return bool(obj.get("apiVersion") == "v1" and obj.get("kind") == "Secret")


def _field(fields: Mapping[str, Any], key: str) -> Any:
    value = fields.get(key)
    return MISSING if value is None else value


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else MISSING


def _equal(hub: Any, member: Any) -> bool:
    """JSON equality: 1 and 1.0 are the same number, and true is none."""
    return bool(isinstance(hub, bool) == isinstance(member, bool) and hub == member)


def _detail(difference: Difference, secret: bool) -> PatchDetail:
    hidden = secret and difference.path[:1] and difference.path[0] in _SECRET_FIELDS
    return PatchDetail(
        path="/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in difference.path),
        value_in_member=REDACTED if hidden and difference.member is not MISSING else _text(difference.member),
        value_in_hub=REDACTED if hidden and difference.hub is not MISSING else _text(difference.hub),
    )


def _text(value: Any) -> str:
    """A value as people read it: text as it is, all else as JSON, nothing for what is missing."""
    if value is MISSING:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
