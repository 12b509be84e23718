"""Who owns an object of the member, and whether a Work may write it.

Pure. An object that a Work put on the member, or took over, names the Work's AppliedWork among its
owners. One AppliedWork at most: what another placement put there stays that placement's. Owners that
are not of the fleet are respected unless the placement allows co-ownership.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from echelon.api.work import AppliedWork

Object = Mapping[str, Any]
Reference = Mapping[str, Any]

_GROUP = AppliedWork.resource.group


def applied_works(obj: Object) -> Iterator[Reference]:
    """The references of an object to AppliedWorks."""
    for reference in _references(obj):
        group = str(reference.get("apiVersion", "")).rpartition("/")[0]
        if group == _GROUP and reference.get("kind") == AppliedWork.resource.kind:
            yield reference


def reference_to(owner: AppliedWork) -> dict[str, Any]:
    """What an object that belongs to an AppliedWork says of its owner."""
    return {
        "apiVersion": owner.resource.api_version,
        "kind": owner.resource.kind,
        "name": owner.metadata.name,
        "uid": owner.metadata.uid,
        "blockOwnerDeletion": True,
    }


def is_owned(obj: Object, owner: AppliedWork) -> bool:
    """Whether an object belongs to an AppliedWork, or to an earlier one of the same name that is gone."""
    return any(reference["name"] == owner.metadata.name for reference in applied_works(obj))


def objection(obj: Object, owner: AppliedWork, *, allow_co_ownership: bool) -> str | None:
    """Why a Work must not write an object, or None when it may."""
    for reference in applied_works(obj):
        if reference["name"] != owner.metadata.name:
            return (
                f"the object is owned by another placement on this member (AppliedWork {reference['name']}); "
                "remove it from one of the two placements"
            )
    fleet = {reference["uid"] for reference in applied_works(obj)}
    others = [f"{each['kind']} {each['name']}" for each in _references(obj) if each["uid"] not in fleet]
    if others and not allow_co_ownership:
        return (
            f"the object is owned by {', '.join(others)}, which is not of the fleet; "
            "set allowCoOwnership in the apply strategy to write it nevertheless"
        )
    return None


def with_owner(obj: Object, owner: AppliedWork) -> list[Reference] | None:
    """The owners that an object has to name, or None when it names them: earlier AppliedWorks of the name go."""
    references = _references(obj)
    stale = [each for each in applied_works(obj) if each["uid"] != owner.metadata.uid]
    if not stale and any(each["uid"] == owner.metadata.uid for each in references):
        return None
    kept = [each for each in references if each not in stale and each["uid"] != owner.metadata.uid]
    return [*kept, reference_to(owner)]


def without_owner(obj: Object, owner: AppliedWork) -> list[Reference]:
    """The other owners of an object."""
    ours = [each["uid"] for each in applied_works(obj) if each["name"] == owner.metadata.name]
    return [each for each in _references(obj) if each["uid"] not in ours]


def _references(obj: Object) -> Sequence[Reference]:
    return obj["metadata"].get("ownerReferences") or ()
