"""Create and update."""

from __future__ import annotations

from echelon.apiserver import rendering
from echelon.apiserver.body import decode_object, duplicate_fields
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, invalid
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.negotiate import Form
from echelon.apiserver.preparation import Write, check_name, check_namespace
from echelon.apiserver.query import write_options
from echelon.apiserver.responses import Answer, encode


async def create(context: Context, target: Target) -> Answer:
    """Store a new object."""
    form = target.form()
    write = target.write(write_options(target.request.query, "CreateOptions"))
    obj = await read_object(target, write)
    value = await context.objects.create(obj, write)
    return answer(context, target, value, write, form, 201)


async def update(context: Context, target: Target) -> Answer:
    """Replace an object, or its status."""
    form = target.form()
    write = target.write(write_options(target.request.query, "UpdateOptions"))
    obj = await read_object(target, write)
    check_name(obj, target.name)
    check_namespace(obj, write)
    definition, metadata = target.definition, obj["metadata"]

    def replace(old: Object) -> Object:
        if not definition.builtin and not metadata.get("resourceVersion"):
            fault = FieldError(
                "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update"
            )
            raise invalid(definition.group, definition.kind, target.name, [fault])
        return {**obj, "metadata": dict(metadata)}

    value = await context.objects.update(target.name, replace, write, uid=metadata.get("uid"))
    return answer(context, target, value, write, form, 200)


async def read_object(target: Target, write: Write) -> Object:
    """The object in the body; what stands twice in it is noted in ``write``.

    Raises:
        StatusError: 400, 413 or 415 when it cannot be read.
    """
    request = target.request
    body = await request.body()
    obj = decode_object(
        body,
        request.header(b"content-type"),
        target.definition,
        target.served.version.name,
        target.definition.kind,
    )
    if write.options.field_validation != "Ignore":
        write.duplicates = duplicate_fields(body, obj)
    return obj


def answer(context: Context, target: Target, value: bytes, write: Write, form: Form, code: int) -> Answer:
    """An object that was written, as the client wants to see it."""
    include = target.request.query.get("includeObject", "Metadata")
    body = rendering.one(value, target.served, form, now=context.clock.now(), include=include)
    return Answer(code, encode(body, form), form.content_type)
