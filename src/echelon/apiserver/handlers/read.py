"""Get and list.

Both answer with stored bytes. A list is of one revision: all of it in one answer, or in chunks that
the continue token ties to the revision of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from echelon.apiserver import continuation, rendering
from echelon.apiserver.continuation import CURRENT, Continuation
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import expired, too_large_resource_version
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.handlers.selection import Selection, selection_of
from echelon.apiserver.objects import ObjectBucket, ObjectRecord
from echelon.apiserver.query import ListOptions, list_options
from echelon.apiserver.responses import Answer, encode
from echelon.apiserver.storage import Compacted, FutureRevision


async def get(context: Context, target: Target) -> Answer:
    """One object, or its status."""
    form = target.form()
    query = target.request.query
    if query:
        _check_reached(context, list_options({"resourceVersion": query.get("resourceVersion", "")}).revision)
    served = target.served
    record = context.objects.get(target.definition, target.namespace, target.name)
    body = rendering.one(
        record.value, served, form, now=context.clock.now(), include=query.get("includeObject", "Metadata")
    )
    return Answer(200, encode(body, form), form.content_type)


async def list_objects(context: Context, target: Target) -> Answer:
    """A collection, or a chunk of it."""
    form = target.form()
    options = list_options(target.request.query)
    selection = selection_of(options, target.served, target.namespace)
    records, metadata = await _read(context, target, options, selection)
    body = rendering.many(
        [record.value for record in records],
        target.served,
        form,
        metadata,
        now=context.clock.now(),
        include=target.request.query.get("includeObject", "Metadata"),
    )
    return Answer(200, encode(body, form), form.content_type)


def _check_reached(context: Context, revision: int | None) -> None:
    current = context.objects.keyspace.revision
    if revision is not None and revision > current:
        raise too_large_resource_version(revision, current)


async def _read(
    context: Context, target: Target, options: ListOptions, selection: Selection
) -> tuple[Sequence[ObjectRecord], Object]:
    """The records of a chunk and the metadata of its list."""
    bucket = context.objects.bucket(target.definition)
    start = continuation.decode(options.continue_) if options.continue_ else None
    exact = options.match == "Exact" or (options.revision and options.limit and not options.match)
    if start is not None and start.revision != CURRENT:
        return await _history(bucket, start, options, selection)
    if exact and options.revision:
        return await _history(bucket, Continuation(options.revision, ("", "")), options, selection)
    _check_reached(context, options.revision)
    revision = context.objects.keyspace.revision
    records = selection.current(bucket)
    if start is not None:
        records = [record for record in records if (record.key.namespace, record.key.name) > start.after]
    return _chunk(records, revision, options, selection, len(records))


async def _history(
    bucket: ObjectBucket, start: Continuation, options: ListOptions, selection: Selection
) -> tuple[Sequence[ObjectRecord], Object]:
    limit = options.limit if options.limit and not selection.filters else None
    try:
        page = await bucket.list_at(
            start.revision, selection.namespace or None, after=start.after if any(start.after) else None, limit=limit
        )
    except Compacted:
        if options.continue_:
            raise continuation.list_expired(start) from None
        raise expired(f"The resourceVersion for the provided list is too old: {start.revision}") from None
    except FutureRevision as future:
        raise too_large_resource_version(future.requested, future.current) from None
    records = selection.pick(page.records) if selection.filters else page.records
    return _chunk(records, start.revision, options, selection, len(records) + page.remaining)


def _chunk(
    records: Sequence[ObjectRecord], revision: int, options: ListOptions, selection: Selection, total: int
) -> tuple[Sequence[ObjectRecord], Object]:
    metadata: Object = {"resourceVersion": str(revision)}
    if options.limit and total > options.limit:
        records = records[: options.limit]
        last = records[-1].key
        metadata["continue"] = continuation.encode(Continuation(revision, (last.namespace, last.name)))
        if not selection.filters:
            metadata["remainingItemCount"] = total - options.limit
    return records, metadata
