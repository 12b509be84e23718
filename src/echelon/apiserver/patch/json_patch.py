"""JSON patch (RFC 6902) under the limits and error answers of Kubernetes.

The operations themselves are the ``jsonpatch`` library's. A patch that is not a list of objects is
a bad request (400); one that has too many operations, or copies too much, is refused before it
costs anything (413, 422); any operation that cannot be carried out, failed tests included, makes
the whole patch unprocessable (422), with a text that says as little as Kubernetes' does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonpatch
import orjson

from echelon.apiserver.errors import StatusError, bad_request
from echelon.apiserver.patch.values import Object, clone, json_kind

MAX_OPERATIONS = 10_000

MAX_COPIED_BYTES = 3 * 1024 * 1024
"""What all ``copy`` operations of a patch may copy, as JSON text; a document could otherwise be doubled at each."""

REJECTED = "the server rejected our request due to an error in our request"

OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")
"""Those of the RFC; the library knows one more."""


def apply_json_patch(obj: Object, operations: object) -> Object:
    """The document after all operations, in their order.

    Raises:
        StatusError: 400 when the patch is malformed, 413 when it has more than ``MAX_OPERATIONS``,
            422 when an operation cannot be carried out.
    """
    patched: object = clone(obj)
    copied = 0
    for operation in _checked(operations):
        if operation.get("op") not in OPERATIONS:
            raise _unprocessable()
        try:
            if operation["op"] == "copy":
                copied += _copied_size(patched, operation)
                if copied > MAX_COPIED_BYTES:
                    raise _unprocessable()
            patched = jsonpatch.JsonPatch([operation]).apply(patched, in_place=True)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, orjson.JSONEncodeError) as failure:
            raise _unprocessable() from failure
    if not isinstance(patched, dict):
        raise _unprocessable()
    return patched


def _checked(operations: object) -> Sequence[dict[str, Any]]:
    """The operations, once their outer form is known to be right."""
    if not isinstance(operations, list):
        raise _undecodable(operations, "jsonpatch.Patch")
    for operation in operations:
        if not isinstance(operation, dict):
            raise _undecodable(operation, "jsonpatch.Operation")
    if len(operations) > MAX_OPERATIONS:
        raise StatusError(
            413,
            "RequestEntityTooLarge",
            "Request entity is too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}",
        )
    return operations


def _copied_size(document: object, operation: dict[str, Any]) -> int:
    source = operation.get("from")
    if not isinstance(source, str):
        raise _unprocessable()
    value = jsonpatch.JsonPointer(source).resolve(document)
    # Anything else is of no size, or the end of a list, which the library refuses to copy.
    return len(orjson.dumps(value)) if isinstance(value, dict | list | str) else 0


def _undecodable(value: object, wanted: str) -> StatusError:
    return bad_request(f"json: cannot unmarshal {json_kind(value)} into Go value of type {wanted}")


def _unprocessable() -> StatusError:
    return StatusError(422, "Invalid", REJECTED)
