"""Events have two faces: the core group's and that of events.k8s.io. Both are kept as core events.

The two kinds say the same with other names. ``to_core`` and ``from_core`` convert, losing nothing
that either kind can say.
"""

from __future__ import annotations

from echelon.apiserver.definitions import Object

CORE_VERSION = "v1"
EVENTS_VERSION = "events.k8s.io/v1"

_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_FROM_CORE = {core: name for name, core in _TO_CORE.items()}

_OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
EVENT_FIELDS = (*(f"involvedObject.{field}" for field in _OBJECT_FIELDS), "reason", "reportingComponent", "type")
"""Fields of core events that field selectors may name."""
EVENTS_GROUP_FIELDS = (*(f"regarding.{field}" for field in _OBJECT_FIELDS), "reason", "reportingController", "type")
"""The same fields as the events group names them."""


def to_core(event: Object) -> Object:
    """An event of events.k8s.io/v1 as a core event."""
    return {_TO_CORE.get(name, name): value for name, value in event.items()} | {"apiVersion": CORE_VERSION}


def from_core(event: Object) -> Object:
    """A core event as one of events.k8s.io/v1."""
    return {_FROM_CORE.get(name, name): value for name, value in event.items()} | {"apiVersion": EVENTS_VERSION}
