"""The scale subresource: replicas of any kind in one form, ``autoscaling/v1`` Scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from echelon.apiserver.body import decode_object
from echelon.apiserver.definitions import Object, Scale
from echelon.apiserver.errors import invalid, invalid_value, no_such_resource
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.handlers.patch import (
    APPLY_PATCH,
    Patch,
    checked_type,
    parse_applied,
    parse_patch,
    patch_function,
)
from echelon.apiserver.jsonpath import compile_path, dotted
from echelon.apiserver.patch import check_applied
from echelon.apiserver.preparation import check_name, check_namespace
from echelon.apiserver.query import write_options
from echelon.apiserver.responses import Answer, json_answer

_API_VERSION = "autoscaling/v1"


async def get_scale(context: Context, target: Target) -> Answer:
    """The scale of an object."""
    form = target.form()
    record = context.objects.get(target.definition, target.namespace, target.name)
    return json_answer(scale_of(orjson.loads(record.value), _paths(target)), form)


async def update_scale(context: Context, target: Target) -> Answer:
    """Replace the scale of an object: its replicas are all that can change."""
    body = await target.request.body()
    content_type = target.request.header(b"content-type")
    given = decode_object(body, content_type, target.definition, target.served.version.name, "Scale")
    check_name(given, target.name)
    return await _change(context, target, lambda _: given, "UpdateOptions")


async def patch_scale(context: Context, target: Target) -> Answer:
    """Patch the scale of an object."""
    type_ = checked_type(target)
    body = await target.request.body()
    if type_ == APPLY_PATCH:
        return await _apply(context, target, body)
    return await _change(context, target, patch_function(target, type_, parse_patch(body)), "PatchOptions")


async def _apply(context: Context, target: Target, body: bytes) -> Answer:
    """Server-side apply: who applies replicas owns the field in which the object keeps them."""
    form = target.form()
    write = target.write(write_options(target.request.query, "PatchOptions", apply=True))
    write.applying = True
    paths, objects = _paths(target), context.objects
    scale = check_applied(parse_applied(body), name=target.name, api_version=_API_VERSION, kind="Scale")
    given = scale.get("metadata") or {}
    metadata = {field: given[field] for field in ("name", "uid", "resourceVersion") if field in given}
    applied: Object = {
        "apiVersion": target.served.api_version,
        "kind": target.definition.kind,
        "metadata": metadata,
    }
    if scale.get("spec"):
        _set(applied, paths.spec_replicas, _replicas(scale, target.name))
    value = await objects.update(
        target.name, lambda live: objects.ownership.apply(live, applied, write, objects.clock.now()), write
    )
    return json_answer(scale_of(orjson.loads(value), paths), form)


async def _change(context: Context, target: Target, change: Patch, options: str) -> Answer:
    form = target.form()
    write = target.write(write_options(target.request.query, options))
    paths = _paths(target)

    def apply(old: Object) -> Object:
        scale = change(scale_of(old, paths))
        check_namespace(scale, write)
        replicas = _replicas(scale, target.name)
        new: Object = orjson.loads(orjson.dumps(old))
        _set(new, paths.spec_replicas, replicas)
        new["metadata"]["resourceVersion"] = scale["metadata"].get("resourceVersion", "")
        return new

    value = await context.objects.update(target.name, apply, write)
    return json_answer(scale_of(orjson.loads(value), paths), form)


def _replicas(scale: Object, name: str) -> int:
    """The replicas that a scale asks for; 0 when it does not say.

    Raises:
        StatusError: 422 when they are no count.
    """
    spec = scale.get("spec") or {}
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else spec
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        fault = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("autoscaling", "Scale", name, [fault])
    return replicas


def _paths(target: Target) -> Scale:
    scale = target.served.version.scale
    if scale is None:
        raise no_such_resource()
    return scale


def scale_of(obj: Object, paths: Scale) -> Object:
    """The Scale that stands for an object."""
    source = obj["metadata"]
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": compile_path(paths.status_replicas).first(obj) or 0}
    selector = compile_path(paths.selector).first(obj) if paths.selector else None
    if selector:
        status["selector"] = selector if isinstance(selector, str) else selector_text(selector)
    return {
        "kind": "Scale",
        "apiVersion": _API_VERSION,
        "metadata": {field: source[field] for field in fields if field in source},
        "spec": {"replicas": compile_path(paths.spec_replicas).first(obj) or 0},
        "status": status,
    }


def selector_text(selector: Mapping[str, Any]) -> str:
    """A label selector object, or a map of labels, in the form of a query."""
    if not selector.keys() & {"matchLabels", "matchExpressions"}:
        return ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    terms += [_expression(expression) for expression in selector.get("matchExpressions") or []]
    return ",".join(terms)


def _expression(expression: Mapping[str, Any]) -> str:
    key, values = expression["key"], _listed(expression.get("values") or [])
    match expression["operator"]:
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return str(key)


def _listed(values: Sequence[str]) -> str:
    return ",".join(sorted(values))


def _set(obj: Object, path: str, value: Any) -> None:
    names = dotted(path) or []
    for name in names[:-1]:
        obj = obj.setdefault(name, {})
    obj[names[-1]] = value
