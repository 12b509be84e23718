"""The smallest change between two statuses of a run, as a JSON patch.

A merge patch replaces lists whole, and the status of a run over a thousand members is one long list. A JSON patch
names places in it: what changed of one member is that member. The patch names the resource version that it is for,
since a place in a list means nothing in another version of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from echelon.api.fleet import UpdateRun, UpdateRunStatus
from echelon.kube.patches import JsonPatch

Operation = dict[str, Any]

_MANY = 500
"""So many changes may take more room than the whole status, and a request has only so much (a stage is skipped)."""


def status_patch(run: UpdateRun, status: UpdateRunStatus) -> JsonPatch | None:
    """The patch of the status subresource that makes ``status`` of the run's own; None when they are equal.

    The server refuses it with a conflict when the run has changed since.
    """
    if run.status.observed_generation:
        operations = list(_changes("/status", run.status, status))
        if len(operations) > _MANY:
            operations = min(operations, [_whole(status)], key=lambda found: len(msgspec.json.encode(found)))
    else:  # nothing was written yet, so there is no place to change
        operations = [_whole(status)]
    if not operations:
        return None
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": run.metadata.resource_version}
    return JsonPatch([version, *operations])


def _whole(status: UpdateRunStatus) -> Operation:
    return {"op": "add", "path": "/status", "value": msgspec.to_builtins(status)}


def _changes(path: str, old: Struct, new: Struct) -> Iterator[Operation]:
    """What differs between two values of a struct, field by field."""
    for field in msgspec.structs.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before is not after and before != after:
            yield from _change(f"{path}/{field.encode_name}", before, after, field.default)


def _change(path: str, before: Any, after: Any, default: Any) -> Iterator[Operation]:
    if _same_shape(before, after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            if old is not new and old != new:
                yield from _item_change(f"{path}/{index}", old, new)
    elif isinstance(before, Struct) and isinstance(after, Struct):
        yield from _changes(path, before, after)
    elif after is None or after == default:
        yield {"op": "remove", "path": path}
    else:
        yield {"op": "add", "path": path, "value": msgspec.to_builtins(after)}


def _item_change(path: str, old: Struct, new: Struct) -> Iterator[Operation]:
    """An item of a list: one that has lists itself is changed within, any other is replaced."""
    if any(isinstance(getattr(new, name), tuple) for name in new.__struct_fields__):
        yield from _changes(path, old, new)
    else:
        yield {"op": "replace", "path": path, "value": msgspec.to_builtins(new)}


def _same_shape(before: Any, after: Any) -> bool:
    """Whether two lists can be compared place by place."""
    return (
        isinstance(before, tuple)
        and isinstance(after, tuple)
        and len(before) == len(after)
        and all(isinstance(item, Struct) for item in after)
    )
