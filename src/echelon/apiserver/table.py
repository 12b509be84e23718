"""The Table form: rows and columns for people, as ``kubectl get`` shows them.

A kind's columns come with its definition; a kind without any gets Name and Age. The Name column
stands first even where the definition leaves it out. A cell of a ``date`` column is the age of the
moment its value names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from echelon.apiserver.clock import parse_time
from echelon.apiserver.definitions import Column, Object, Version

UNKNOWN = "<unknown>"
INVALID = "<invalid>"

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 365 * 86400


def human_duration(seconds: float) -> str:
    """A time span as kubectl writes it: ``5s``, ``2m30s``, ``3h5m``, ``4d``, ``2y10d``."""
    whole = int(seconds)
    if whole < -1:
        return INVALID
    whole = max(whole, 0)
    minutes, hours, days = whole // _MINUTE, whole // _HOUR, whole // _DAY
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % _MINUTE, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 8 * 24:
        return _two(days, "d", hours % 24, "h")
    if whole < 2 * _YEAR:
        return f"{days}d"
    years = whole // _YEAR
    return _two(years, "y", days % 365, "d") if whole < 8 * _YEAR else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(timestamp: Any, now: datetime) -> str:
    """How long ago a timestamp was: ``<unknown>`` without one, ``<invalid>`` when it cannot be read."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_duration((now - parse_time(timestamp)).total_seconds())
    except (TypeError, ValueError):
        return INVALID


NAME = Column(
    name="Name",
    format="name",
    value=lambda obj: obj["metadata"].get("name", ""),
    description="Name must be unique within a namespace.",
)
AGE = Column(
    name="Age",
    type="date",
    value=lambda obj: obj["metadata"].get("creationTimestamp"),
    description="CreationTimestamp is the moment the object was created on the server.",
)


def columns_of(version: Version) -> Sequence[Column]:
    """The columns of a version, Name included."""
    columns = version.columns or (AGE,)
    return columns if any(column.name == NAME.name for column in columns) else (NAME, *columns)


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def cells(columns: Sequence[Column], obj: Object, now: datetime) -> list[Any]:
    return [age(column.value(obj), now) if column.type == "date" else column.value(obj) for column in columns]


def partial_metadata(obj: Object, api_version: str = "meta.k8s.io/v1") -> Object:
    """The object with nothing but its metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": obj["metadata"]}


def table(
    version: Version,
    objects: Iterable[Object],
    metadata: Object,
    *,
    now: datetime,
    include: str = "Metadata",
    api_version: str = "meta.k8s.io/v1",
) -> Object:
    """The Table of some objects.

    ``metadata`` is that of the list, ``include`` what stands beside the cells of a row: ``None``,
    ``Metadata`` or the whole ``Object``.
    """
    columns = columns_of(version)
    rows = []
    for obj in objects:
        row: Object = {"cells": cells(columns, obj, now)}
        if include == "Object":
            row["object"] = obj
        else:
            row["object"] = partial_metadata(obj, api_version) if include == "Metadata" else None
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": rows,
    }
