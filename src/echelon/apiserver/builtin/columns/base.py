"""Columns that many kinds have, and how values turn into cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column, Object
from echelon.apiserver.table import age

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"

NAME = Column("Name", lambda obj: obj["metadata"].get("name", ""), format="name", description="Name of the object.")


def column(
    name: str, value: Callable[[Object], Any], type_: str = "string", *, wide: bool = False, description: str = ""
) -> Column:
    """A column; a ``wide`` one is shown in wide output only."""
    return Column(name, value, type_, description=description or f"{name} of the object.", priority=int(wide))


def field(name: str, path: str, type_: str = "string", *, empty: Any = "", wide: bool = False) -> Column:
    """A column that shows what stands at a dotted path, or ``empty``."""
    return column(name, lambda obj: find(obj, path, empty), type_, wide=wide)


def age_column(clock: Clock) -> Column:
    return column(
        "Age", lambda obj: since(obj["metadata"].get("creationTimestamp"), clock), description="Time since creation."
    )


def created_at() -> Sequence[Column]:
    """Columns of a kind without columns of its own."""
    return (NAME, field("Created At", "metadata.creationTimestamp"))


def since(timestamp: str | None, clock: Clock) -> str:
    """How long ago a moment was, as kubectl writes it."""
    return age(timestamp, clock.now())


def find(obj: Mapping[str, Any], path: str, empty: Any = None) -> Any:
    """The value at a dotted path; ``empty`` when a step is missing."""
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return empty if value is None else value


def joined(items: Iterable[Any], empty: str = NONE) -> str:
    return ",".join(map(str, items)) or empty


def pairs(labels: Mapping[str, str] | None) -> str:
    """Labels as ``key=value``, sorted."""
    return joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def selector(selector: Mapping[str, Any] | None) -> str:
    """A label selector as kubectl writes it."""
    if selector is None:
        return NONE
    terms = [(key, f"{key}={value}") for key, value in selector.get("matchLabels", {}).items()]
    terms += [(term.get("key", ""), _term(term)) for term in selector.get("matchExpressions", ())]
    return joined(text for _, text in sorted(terms))


def _term(term: Mapping[str, Any]) -> str:
    key, values = term.get("key", ""), ",".join(sorted(term.get("values", ())))
    match term.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "Exists":
            return str(key)
        case _:
            return f"!{key}"


def container_columns(template: str, *, wide: bool = True) -> tuple[Column, Column]:
    """Names and images of the containers of a pod spec."""

    def of(name: str) -> Callable[[Object], str]:
        return lambda obj: joined((entry.get(name, "") for entry in find(obj, f"{template}.containers", ())), "")

    return column("Containers", of("name"), wide=wide), column("Images", of("image"), wide=wide)
