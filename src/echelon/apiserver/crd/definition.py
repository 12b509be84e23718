"""From a CustomResourceDefinition to the ``ResourceDefinition`` that the registry serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from echelon.apiserver.definitions import Column, Hooks, NoHooks, Object, ResourceDefinition, Scale, Version
from echelon.apiserver.errors import FieldError
from echelon.apiserver.jsonpath import compile_path, dotted
from echelon.apiserver.schema import compile_schema, wording

_LARGEST_INT32 = 2**31 - 1


def definition_of(crd: Mapping[str, Any]) -> ResourceDefinition:
    """The resource that a valid definition stands for: its served versions, under its accepted names.

    Names come from the status where it has them. ``versions`` holds the served versions only, in the
    order of the object; the storage version need not be among them.
    """
    spec = crd["spec"]
    names: Mapping[str, Any] = spec["names"]
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    if accepted.get("plural"):
        names = accepted
    served = [version for version in spec["versions"] if version.get("served")]
    return ResourceDefinition(
        group=spec["group"],
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        list_kind=names.get("listKind") or f"{names['kind']}List",
        namespaced=spec["scope"] == "Namespaced",
        storage_version=next(version["name"] for version in spec["versions"] if version.get("storage")),
        versions={version["name"]: _version(version, spec["group"], names["kind"]) for version in served},
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        hooks=_hooks(served),
    )


def _version(version: Mapping[str, Any], group: str, kind: str) -> Version:
    subresources = version.get("subresources") or {}
    warning = None
    if version.get("deprecated"):
        warning = version.get("deprecationWarning") or f"{group}/{version['name']} {kind} is deprecated"
    return Version(
        name=version["name"],
        schema=compile_schema(version["schema"]["openAPIV3Schema"]),
        columns=tuple(_column(column) for column in version.get("additionalPrinterColumns") or ()),
        status=subresources.get("status") is not None,
        scale=_scale(subresources),
        selectable_fields=tuple(field["jsonPath"] for field in version.get("selectableFields") or ()),
        deprecation_warning=warning,
    )


def _scale(subresources: Mapping[str, Any]) -> Scale | None:
    scale = subresources.get("scale")
    if scale is None:
        return None
    return Scale(scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath") or None)


def _column(column: Mapping[str, Any]) -> Column:
    return Column(
        name=column["name"],
        value=_cell_of(column["type"], column["jsonPath"]),
        type=column["type"],
        format=column.get("format", ""),
        description=column.get("description")
        or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
        priority=column.get("priority", 0),
    )


def _cell_of(kind: str, path: str) -> Callable[[Object], Any]:
    """The cell of a column: for text everything the path finds, else the first value if it has the type."""
    find = compile_path(path).find

    def cell(obj: Object) -> Any:
        found = find(obj)
        if not found:
            return None
        if kind == "string":
            return " ".join(_text(value) for value in found)
        return _typed(kind, found[0])

    return cell


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return wording.number(value)
    return "" if value is None else orjson.dumps(value).decode()


def _typed(kind: str, value: Any) -> Any:
    match kind, value:
        case "boolean", bool():
            return value
        case "integer", int() | float() if not isinstance(value, bool):
            return int(value)
        case "number", int() | float() if not isinstance(value, bool):
            return value
        case "date", str():
            return value
    return None


def _hooks(versions: Sequence[Mapping[str, Any]]) -> Hooks:
    scales = {version["name"]: scale for version in versions if (scale := _scale(version.get("subresources") or {}))}
    return ScaleHooks(scales) if scales else NoHooks()


class ScaleHooks(NoHooks):
    """Replica counts that the scale subresource shows must be numbers it can show."""

    def __init__(self, scales: Mapping[str, Scale]) -> None:
        self._scales = scales

    def validate(self, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
        scale = self._scales.get(obj["apiVersion"].rpartition("/")[2])
        if scale is None:
            return []
        errors = [] if subresource == "status" else [*_about_replicas(obj, scale.spec_replicas)]
        errors += _about_replicas(obj, scale.status_replicas)
        if scale.selector is not None:
            errors += _about_selector(obj, scale.selector)
        return errors


def _value_at(obj: Object, path: str) -> Any:
    value: Any = obj
    for name in dotted(path) or ():
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value


def _about_replicas(obj: Object, path: str) -> Iterator[FieldError]:
    value = _value_at(obj, path)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        yield wording.invalid(path, 0, f"{path} accessor error: {wording.show(value)} is not an integer")
    elif value < 0:
        yield wording.invalid(path, value, "should be a non-negative integer")
    elif value > _LARGEST_INT32:
        yield wording.invalid(path, value, f"should be less than or equal to {_LARGEST_INT32}")


def _about_selector(obj: Object, path: str) -> Iterator[FieldError]:
    value = _value_at(obj, path)
    if value is not None and not isinstance(value, str):
        yield wording.invalid(path, "", f"{path} accessor error: {wording.show(value)} is not a string")
