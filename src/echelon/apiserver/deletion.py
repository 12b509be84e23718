"""What a delete does to an object: nothing more than a decision, taken on values.

An object goes at once when nothing holds it. Finalizers hold it, a namespace's own
``spec.finalizers`` hold it, and a pod that runs on a node is held for its grace period. A held
object is marked with a deletion timestamp and goes with the update that takes the last hold away.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.query import DeleteOptions

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a CustomResourceDefinition until its objects are gone."""
_POD_GRACE = 30

RETURNS_OBJECT = frozenset(
    {
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
    }
)
"""Resources whose delete answers with the object that went, instead of a Status."""


class Decision(msgspec.Struct, frozen=True):
    """``gone``: remove the object; ``changed``: write ``obj``; neither: leave everything as it is."""

    obj: Object
    gone: bool = False
    changed: bool = False


def is_held(definition: ResourceDefinition, obj: Object) -> bool:
    """Whether something keeps an object that is marked for deletion from going."""
    metadata = obj["metadata"]
    if metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return True
    return is_namespace(definition) and bool((obj.get("spec") or {}).get("finalizers"))


def is_namespace(definition: ResourceDefinition) -> bool:
    return definition.group == "" and definition.plural == "namespaces"


def _defines_resources(definition: ResourceDefinition) -> bool:
    return definition.group == "apiextensions.k8s.io" and definition.plural == "customresourcedefinitions"


def decide(definition: ResourceDefinition, obj: Object, options: DeleteOptions, now: datetime) -> Decision:
    """What deleting ``obj`` means; ``obj`` itself is changed when it is to be marked."""
    metadata = obj["metadata"]
    before = list(metadata.get("finalizers") or [])
    finalizers = _with_propagation(before, options.propagation)
    if _defines_resources(definition) and "deletionTimestamp" not in metadata and CLEANUP not in finalizers:
        finalizers = [*finalizers, CLEANUP]
    grace = _grace_period(definition, obj, options)
    if not finalizers and not grace and not (is_namespace(definition) and is_held(definition, obj)):
        return Decision(obj, gone=True)
    changed = finalizers != before
    if changed:
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            del metadata["finalizers"]
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = format_time(now + timedelta(seconds=grace))
        metadata["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            metadata["generation"] += 1
        if is_namespace(definition):
            obj.setdefault("status", {})["phase"] = "Terminating"
        changed = True
    elif grace < (metadata.get("deletionGracePeriodSeconds") or 0):
        metadata["deletionGracePeriodSeconds"] = grace
        changed = True
    return Decision(obj, changed=changed)


def _with_propagation(finalizers: list[str], propagation: str) -> list[str]:
    if not propagation:
        return finalizers
    kept = [finalizer for finalizer in finalizers if finalizer not in (ORPHAN, FOREGROUND)]
    if propagation == "Orphan":
        return [*kept, ORPHAN]
    return [*kept, FOREGROUND] if propagation == "Foreground" else kept


def _grace_period(definition: ResourceDefinition, obj: Object, options: DeleteOptions) -> int:
    """Seconds that a pod on a node has to end; zero for everything else."""
    if (definition.group, definition.plural) != ("", "pods"):
        return 0
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_period is not None:
        return options.grace_period
    asked = spec.get("terminationGracePeriodSeconds")
    return _POD_GRACE if asked is None else int(asked)
