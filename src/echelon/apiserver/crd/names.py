"""Names of custom resources: who gets which, and the conditions that tell.

Within a group a name (plural, singular or short) and a kind (or list kind) belong to the definition
that had it first. A definition whose names are taken keeps those it has and waits; it is
established, that is served, once all its names are accepted, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Object = dict[str, Any]


def is_established(crd: Mapping[str, Any]) -> bool:
    """Whether the resource is to be served."""
    condition = _condition(crd, "Established")
    return condition is not None and condition["status"] == "True"


def observed_status(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]], now: str) -> Object:
    """The status the definition should have beside ``others``, with ``now`` for conditions that turn.

    Equal to the present status when there is nothing to change. ``others`` may be all other
    definitions; those of other groups are passed over.
    """
    status: Object = dict(crd.get("status") or {})
    accepted, problem = _negotiate(crd, others)
    outcome = ("False", *problem) if problem else ("True", "NoConflicts", "no conflicts found")
    conditions = [dict(condition) for condition in status.get("conditions") or ()]
    _set(conditions, "NamesAccepted", *outcome, now)
    if problem is None:
        _set(conditions, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", now)
    elif not any(condition["type"] == "Established" for condition in conditions):
        _set(conditions, "Established", "False", "NotAccepted", "not all names are accepted", now)
    return status | {
        "conditions": conditions,
        "acceptedNames": accepted,
        "storedVersions": status.get("storedVersions") or [],
    }


def _negotiate(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> tuple[Object, tuple[str, str] | None]:
    """The names the definition may have now, and the reason and message of the last conflict."""
    wanted: Mapping[str, Any] = crd["spec"]["names"]
    accepted: Object = dict((crd.get("status") or {}).get("acceptedNames") or {})
    resources, kinds = _taken(crd, others)
    problem = None
    for field, taken in (("plural", resources), ("singular", resources)):
        problem = _claim(field, wanted, accepted, taken) or problem
    problem = _claim_short_names(wanted, accepted, resources) or problem
    for field, taken in (("kind", kinds), ("listKind", kinds)):
        problem = _claim(field, wanted, accepted, taken) or problem
    _copy("categories", wanted, accepted)
    order = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
    return {"plural": "", "kind": ""} | {field: accepted[field] for field in order if field in accepted}, problem


def _taken(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other["spec"]["group"] != crd["spec"]["group"] or other["metadata"]["name"] == crd["metadata"]["name"]:
            continue
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _claim(field: str, wanted: Mapping[str, Any], accepted: Object, taken: set[str]) -> tuple[str, str] | None:
    name = wanted.get(field, "")
    if name != accepted.get(field, "") and name in taken:
        return f"{field[0].upper()}{field[1:]}Conflict", f'"{name}" is already in use'
    _copy(field, wanted, accepted)
    return None


def _claim_short_names(wanted: Mapping[str, Any], accepted: Object, taken: set[str]) -> tuple[str, str] | None:
    own: Sequence[str] = accepted.get("shortNames") or ()
    refused = [name for name in wanted.get("shortNames") or () if name in taken and name not in own]
    if not refused:
        _copy("shortNames", wanted, accepted)
        return None
    messages = [f'"{name}" is already in use' for name in refused]
    return "ShortNamesConflict", messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"


def _copy(field: str, wanted: Mapping[str, Any], accepted: Object) -> None:
    accepted.pop(field, None)
    if wanted.get(field):
        accepted[field] = wanted[field]


def _condition(crd: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    conditions: Sequence[Mapping[str, Any]] = (crd.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _set(conditions: list[Object], kind: str, status: str, reason: str, message: str, now: str) -> None:
    """Bring a condition up to date; its time moves only when its status does."""
    new = {"type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message}
    for index, old in enumerate(conditions):
        if old["type"] == kind:
            if old["status"] == status:
                new["lastTransitionTime"] = old.get("lastTransitionTime", now)
            conditions[index] = old | new
            return
    conditions.append(new)
