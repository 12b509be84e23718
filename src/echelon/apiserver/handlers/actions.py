"""Requests answered by a function: reviews that store nothing, and subresources with a meaning of their own."""

from __future__ import annotations

from echelon.apiserver.body import decode_any, decode_object
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import no_such_resource
from echelon.apiserver.handlers.context import ActionRequest, Context, Target
from echelon.apiserver.preparation import refine
from echelon.apiserver.query import write_options
from echelon.apiserver.responses import Answer, json_answer


async def act(context: Context, target: Target) -> Answer:
    """Hand the body to the action of the resource or subresource."""
    form = target.form()
    definition = target.definition
    action = context.actions.get((definition.group, definition.plural, target.subresource))
    if action is None:
        raise no_such_resource()
    write = target.write(write_options(target.request.query, "CreateOptions"))
    body = await target.request.body()
    content_type = target.request.header(b"content-type")
    obj: Object
    if target.subresource:
        obj = decode_any(body, content_type)
    else:
        obj = decode_object(body, content_type, definition, target.served.version.name, definition.kind)
        refine(obj, write)
    request = ActionRequest(target.request.user, definition, target.namespace, target.name, obj, write.options)
    return json_answer(await action(request), form, 201)
