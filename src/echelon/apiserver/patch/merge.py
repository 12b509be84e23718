"""JSON merge patch (RFC 7386), with the one departure that Kubernetes makes from it.

A patch is an object laid over the document: its objects are merged member by member, ``null``
removes a member, everything else replaces. By the RFC a list is taken as it stands; Kubernetes also
drops the ``null`` members of objects inside the lists that a patch brings, and so do we.
"""

from __future__ import annotations

from echelon.apiserver.errors import bad_request
from echelon.apiserver.patch.values import Object, json_kind


def apply_merge(obj: Object, patch: object, *, nulls: bool = True) -> Object:
    """The document with the merge patch laid over it; what the patch leaves alone is shared with the document.

    Who knows that there is no null in the patch says so: then its lists need not be copied, and are shared with it.

    Raises:
        StatusError: 400, the patch is not an object.
    """
    if not isinstance(patch, dict):
        if patch is None:
            raise bad_request("Invalid JSON Patch")
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {json_kind(patch)} into Go value of type "
            "map[string]interface {}"
        )
    return _merged(obj, patch, nulls)


def _merged(target: Object, patch: Object, nulls: bool) -> Object:
    merged = dict(target)
    for name, change in patch.items():
        if change is None:
            merged.pop(name, None)
        elif isinstance(change, dict) and isinstance(current := target.get(name), dict):
            merged[name] = _merged(current, change, nulls)
        else:
            merged[name] = _without_nulls(change) if nulls else change
    return merged


def _without_nulls(value: object) -> object:
    """A copy of a value that a patch brings, less the ``null`` members of its objects."""
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
