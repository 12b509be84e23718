"""Changing the spec of an object that its controller writes the status of.

A change is written for one generation of an object: what somebody else asked of it meanwhile is not overwritten,
while its status may change as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from echelon.api.meta import KubeObject
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, Conflict
from echelon.kube.patches import JsonPatch

T = TypeVar("T", bound=KubeObject)


async def replace_spec(client: Client, obj: T, spec: Mapping[str, Any], notes: Mapping[str, str]) -> T:
    """Replace the spec of an object and annotate it.

    Raises:
        Conflict: the spec is not the one any more that ``obj`` shows.
    """
    metadata = obj.metadata
    patch = JsonPatch(
        [
            {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
            {"op": "test", "path": "/metadata/generation", "value": metadata.generation},
            {"op": "add", "path": "/metadata/annotations", "value": {**metadata.annotations, **notes}},
            {"op": "replace", "path": "/spec", "value": spec},
        ]
    )
    try:
        return await client.patch(type(obj), metadata.name, patch)
    except ApiError as error:
        if error.code != 422:
            raise
        now = (await client.get(type(obj), metadata.name)).metadata
        if (now.uid, now.generation) == (metadata.uid, metadata.generation):
            raise
        message = f"{obj.resource.kind} {metadata.name!r} was changed by somebody else at the same time; try again"
        raise Conflict(message) from error
