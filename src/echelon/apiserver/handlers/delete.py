"""Delete and delete-collection."""

from __future__ import annotations

from typing import Any

import orjson

from echelon.apiserver import protobuf, rendering
from echelon.apiserver.body import PROTOBUF_TYPE, YAML_TYPE, media_type
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.deletion import RETURNS_OBJECT
from echelon.apiserver.documents import parse_json, parse_yaml
from echelon.apiserver.errors import StatusError, bad_request
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.handlers.selection import selection_of
from echelon.apiserver.query import DeleteOptions, delete_options, list_options
from echelon.apiserver.responses import Answer, encode, json_answer


async def delete(context: Context, target: Target) -> Answer:
    """Delete an object, or mark it for deletion."""
    form = target.form()
    definition = target.definition
    options = await _options(target)
    deleted = await context.objects.delete(definition, target.namespace, target.name, options)
    if deleted.gone and (definition.group, definition.plural) not in RETURNS_OBJECT:
        return json_answer(_success(definition, deleted.value, target.name), form)
    body = rendering.one(deleted.value, target.served, form, now=context.clock.now())
    return Answer(200, encode(body, form), form.content_type)


async def delete_collection(context: Context, target: Target) -> Answer:
    """Delete every object that is selected; the answer lists them."""
    form = target.form()
    options = await _options(target)
    selection = selection_of(list_options(_selectors(target.request.query)), target.served, target.namespace)
    bucket = context.objects.bucket(target.definition)
    values = []
    for record in list(selection.current(bucket)):
        try:
            deleted = await context.objects.delete(target.definition, record.key.namespace, record.key.name, options)
        except StatusError as error:
            if error.code != 404:
                raise
            continue
        values.append(deleted.value)
    metadata: Object = {"resourceVersion": str(context.objects.keyspace.revision)}
    body = rendering.many(values, target.served, form, metadata, now=context.clock.now())
    return Answer(200, encode(body, form), form.content_type)


def _selectors(query: dict[str, str]) -> dict[str, str]:
    return {key: query[key] for key in ("labelSelector", "fieldSelector") if key in query}


async def _options(target: Target) -> DeleteOptions:
    body = await target.request.body()
    given: Any = None
    if body:
        given = _parse(body, media_type(target.request.header(b"content-type")))
        if not isinstance(given, dict):
            raise bad_request("the body of a delete must be DeleteOptions")
    return delete_options(target.request.query, given)


def _parse(body: bytes, type_: str) -> Any:
    try:
        if type_ == PROTOBUF_TYPE:
            return protobuf.decode(body)
        return parse_yaml(body) if type_ == YAML_TYPE else parse_json(body)
    except ValueError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def _success(definition: ResourceDefinition, value: bytes, name: str) -> Object:
    details: Object = {"name": name}
    if definition.group:
        details["group"] = definition.group
    details["kind"] = definition.plural
    details["uid"] = orjson.loads(value)["metadata"]["uid"]
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
