"""Patch: JSON patch, merge patch, strategic merge patch and server-side apply.

A patch is applied to the newest state at the version of the request. A patch that names a
resourceVersion is refused when the object has another one; any other patch always applies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from echelon.apiserver import json_syntax
from echelon.apiserver.body import check_kind, duplicate_fields, go_kind, media_type
from echelon.apiserver.definitions import NoHooks, Object
from echelon.apiserver.documents import TooDeep, check_depth, parse_json, parse_yaml
from echelon.apiserver.errors import StatusError, bad_request, conflict, unsupported_media_type
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.handlers.write import answer
from echelon.apiserver.negotiate import Form
from echelon.apiserver.patch import apply_json_patch, apply_merge, apply_strategic, check_applied, no_references
from echelon.apiserver.patch.values import clone
from echelon.apiserver.query import write_options
from echelon.apiserver.responses import Answer

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
CUSTOM_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
BUILTIN_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

Patch = Callable[[Object], Object]


async def patch(context: Context, target: Target) -> Answer:
    """Change an object, or its status, by a patch."""
    form = target.form()
    type_ = checked_type(target)
    if type_ == APPLY_PATCH:
        return await apply(context, target, form)
    write = target.write(write_options(target.request.query, "PatchOptions"))
    body = await target.request.body()
    changes = parse_patch(body)
    if write.options.field_validation != "Ignore":
        write.duplicates = duplicate_fields(body, changes)
    patched = patch_function(target, type_, changes, nulls=b"null" in body)

    def change(old: Object) -> Object:
        new = patched(old)
        check_kind(new, target.definition, target.served.version.name)
        return new

    value = await context.objects.update(target.name, change, write)
    return answer(context, target, value, write, form, 200)


async def apply(context: Context, target: Target, form: Form) -> Answer:
    """Server-side apply: merge a configuration into an object, which is created when there is none."""
    write = target.write(write_options(target.request.query, "PatchOptions", apply=True))
    write.applying = True
    body = await target.request.body()
    parsed = parse_applied(body)
    served, objects = target.served, context.objects
    applied = check_applied(parsed, name=target.name, api_version=served.api_version, kind=target.definition.kind)
    if write.options.field_validation != "Ignore":
        write.duplicates = duplicate_fields(body, parsed)

    def merged(live: Object | None) -> Object:
        new = objects.ownership.apply(live, applied, write, objects.clock.now())
        new.setdefault("metadata", {}).setdefault("name", target.name)
        return new

    if not target.subresource and objects.bucket(target.definition).latest(target.namespace, target.name) is None:
        if (applied.get("metadata") or {}).get("uid"):
            why = "uid mismatch: the provided object specified a uid, but no object with this name exists"
            raise conflict(target.definition.group, target.definition.plural, target.name, why)
        value = await objects.create(merged(None), write)
        return answer(context, target, value, write, form, 201)
    value = await objects.update(target.name, merged, write)
    return answer(context, target, value, write, form, 200)


def parse_applied(body: bytes) -> Any:
    """The configuration in the body of an apply.

    Raises:
        StatusError: 400 when the body is not YAML.
    """
    try:
        return parse_yaml(body)
    except ValueError as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def checked_type(target: Target) -> str:
    """The patch type of a request.

    Raises:
        StatusError: 415 when the resource does not take it.
    """
    type_ = media_type(target.request.header(b"content-type"))
    if type_ not in BUILTIN_TYPES:
        raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})
    if type_ == STRATEGIC_PATCH and not target.definition.builtin:
        raise unsupported_media_type(CUSTOM_TYPES)
    return type_


def parse_patch(body: bytes) -> Any:
    """The patch in a body.

    Raises:
        StatusError: 400 when the body is not JSON.
    """
    try:
        return parse_json(body)
    except TooDeep as error:
        raise bad_request(f"error decoding patch: {error}") from None
    except orjson.JSONDecodeError:
        raise bad_request(f"error decoding patch: {json_syntax.explain(body)}") from None


def patch_function(target: Target, type_: str, changes: Any, *, nulls: bool = True) -> Patch:
    """What a patch, in which there may be nulls, does to an object."""
    if type_ == JSON_PATCH:
        return lambda old: _an_object(_shallow(apply_json_patch(old, changes)))
    if type_ == MERGE_PATCH:
        if not isinstance(
            target.definition.hooks, NoHooks
        ):  # they change parts of the new object, which must be its own
            return lambda old: _an_object(apply_merge(clone(old), changes))
        return lambda old: _an_object(apply_merge(old, changes, nulls=nulls))
    schema = target.served.version.schema.openapi
    return lambda old: _an_object(apply_strategic(old, changes, schema, no_references))


def _shallow(patched: Any) -> Any:
    """What a JSON patch made: its copies and moves may have nested it deeper than any text may be."""
    try:
        check_depth(patched)
    except TooDeep as error:
        raise bad_request(f"the patched object cannot be stored: {error}") from None
    return patched


def _an_object(patched: Any) -> Object:
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
        raise bad_request(f"the patched object is of kind {go_kind(patched)} or has no metadata")
    return patched
