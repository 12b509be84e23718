"""Watch: a stream of events, one JSON object a line.

A watch begins with what exists (as ADDED events) or behind a revision the client has seen, and goes
on with the events of the bucket's ring until its time is over, the client goes, or the server
stops. What many watchers see alike is encoded once. It is sent in pieces, and the next piece is made
when the client has taken the one before, so a client that does not read costs one piece of memory. A
client too slow for the ring is told 410 Expired and has to list anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator

import orjson

from echelon.apiserver import rendering
from echelon.apiserver.errors import StatusError, expired, too_large_resource_version
from echelon.apiserver.handlers.context import Context, Target
from echelon.apiserver.handlers.selection import Selection, selection_of
from echelon.apiserver.metadata import Summary
from echelon.apiserver.negotiate import JSON, Form
from echelon.apiserver.objects import ObjectBucket, ObjectRecord
from echelon.apiserver.query import ListOptions, list_options
from echelon.apiserver.request import Send
from echelon.apiserver.responses import STREAM_HEADERS, warnings
from echelon.apiserver.storage import Compacted, Event, FutureRevision, Watcher

BOOKMARK_INTERVAL = 60.0
PIECE = 128 * 1024
"""About how many bytes are sent in one go."""
SHORTEST, LONGEST = 1800.0, 3600.0
"""Between these a watch without ``timeoutSeconds`` ends, in seconds."""
LATE = 0.001
"""Seconds after a moment at which the timer for it fires: one that fired a hair early would be for nothing."""


async def watch(context: Context, target: Target, send: Send) -> None:
    """Answer with a stream of events.

    Raises:
        StatusError: before anything was sent; what goes wrong later is an ERROR event.
    """
    form = target.form()
    if form.is_yaml:
        form = Form(JSON)
    options = list_options(target.request.query)
    selection = selection_of(options, target.served, target.namespace)
    lines = Lines(context, target, form, selection)
    bucket = context.objects.bucket(target.definition)
    headers = [*STREAM_HEADERS, *warnings(target.request.warnings)]
    try:
        initial, watcher = _begin(context, bucket, options, lines)
    except Compacted as gone:
        await _send_refusal(send, headers, _too_old(gone))
        return
    context.streams.add(watcher)
    client_gone = asyncio.ensure_future(target.request.disconnected())
    client_gone.add_done_callback(lambda _: watcher.close())
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sent = False
        for piece in initial:
            await _chunk(send, piece)
            sent = True
        if not sent:
            await _chunk(send, b"")  # the head goes out with the first piece
        await _follow(watcher, options, lines, send)
        if not client_gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        client_gone.cancel()
        context.streams.remove(watcher)


def _begin(
    context: Context, bucket: ObjectBucket, options: ListOptions, lines: Lines
) -> tuple[Iterable[bytes], Watcher[Summary]]:
    """What exists, if it is wanted, in pieces, and the watcher of what follows; both of one moment."""
    current = context.objects.keyspace.revision
    namespace = lines.selection.namespace or None
    wants_existing = options.initial_events if options.initial_events is not None else not options.revision
    if not wants_existing:
        try:
            return (), bucket.watch(options.revision or current, namespace)
        except FutureRevision as future:
            raise Compacted(future.requested, future.current) from None
    if options.revision and options.revision > current:
        raise too_large_resource_version(options.revision, current)
    records = lines.selection.current(bucket)
    end = lines.bookmark(current, initial_end=True) if options.initial_events and options.bookmarks else b""
    return lines.existing(records, end), bucket.watch(current, namespace)


async def _follow(watcher: Watcher[Summary], options: ListOptions, lines: Lines, send: Send) -> None:
    """Send events until the watcher is closed or the time is over."""
    loop = asyncio.get_running_loop()
    seconds = options.timeout if options.timeout else random.uniform(SHORTEST, LONGEST)
    end = loop.time() + seconds
    bookmark_at = loop.time() + BOOKMARK_INTERVAL if options.bookmarks else end
    while not watcher.closed:
        try:
            if await watcher.wait(max(min(end, bookmark_at) - loop.time(), 0.0) + LATE):
                data = lines.of(watcher.ready(PIECE))
                if data:
                    await _chunk(send, data)
        except Compacted as gone:
            await _chunk(send, _error(_too_old(gone)))
            return
        now = loop.time()
        if now >= bookmark_at and not watcher.closed:
            if options.bookmarks:
                await _chunk(send, lines.bookmark(watcher.revision))
            bookmark_at = now + BOOKMARK_INTERVAL if options.bookmarks else end
        if now >= end:
            return


async def _chunk(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _send_refusal(send: Send, headers: list[tuple[bytes, bytes]], error: StatusError) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _error(error)})


def _too_old(gone: Compacted) -> StatusError:
    return expired(f"too old resource version: {gone.requested} ({gone.oldest})")


def _error(error: StatusError) -> bytes:
    return rendering.event("ERROR", orjson.dumps(error.status()))


class Lines:
    """Objects and events as one watch sees them."""

    def __init__(self, context: Context, target: Target, form: Form, selection: Selection) -> None:
        self.selection = selection
        self._served = target.served
        self._form = form
        self._include = target.request.query.get("includeObject", "Metadata")
        self._now = context.clock.now
        self._as_stored = not form.as_ and target.served.as_stored
        self._cache = None if form.as_ == "Table" else context.streams.lines
        self._cache_key = (target.definition.bucket, target.served.api_version, form.as_, form.version)

    def existing(self, records: Iterable[ObjectRecord], end: bytes) -> Iterator[bytes]:
        """Lines of objects that are there, and a last one, in pieces."""
        lines: list[bytes] = []
        size = 0
        for record in records:
            line = rendering.event("ADDED", self._render(record.value))
            lines.append(line)
            size += len(line)
            if size >= PIECE:
                yield b"".join(lines)
                lines.clear()
                size = 0
        if lines or end:
            yield b"".join((*lines, end))

    def bookmark(self, revision: int, *, initial_end: bool = False) -> bytes:
        return rendering.bookmark(self._served, self._form, revision, initial_end=initial_end)

    def of(self, events: list[Event[Summary]]) -> bytes:
        """The lines of those events that are selected."""
        return b"".join(line for event in events if (line := self._line(event)) is not None)

    def _line(self, event: Event[Summary]) -> bytes | None:
        selection = self.selection
        if not selection.filters:
            return self._shared(event)
        before = event.previous is not None and selection.matches(event.previous)
        if event.type == "DELETED":
            return self._shared(event) if before else None
        if selection.matches(event.record):
            if event.type == "MODIFIED" and not before:
                return rendering.event("ADDED", self._render(event.record.value))
            return self._shared(event)
        if before and event.previous is not None:
            left = rendering.with_revision(event.previous.value, event.previous.revision, event.revision)
            return rendering.event("DELETED", self._render(left))
        return None

    def _shared(self, event: Event[Summary]) -> bytes:
        """The line of an event as it happened, made by the first watcher that needs it."""
        if self._as_stored:
            if event.encoded is None:
                event.encoded = rendering.event(event.type, rendering.as_version(event.record.value, self._served))
            return event.encoded
        if self._cache is None:
            return rendering.event(event.type, self._render(event.record.value))
        key = (*self._cache_key, event.revision)
        line = self._cache.get(key)
        if line is None:
            line = rendering.event(event.type, self._render(event.record.value))
            self._cache.put(key, line)
        return line

    def _render(self, value: bytes) -> bytes:
        return rendering.one(value, self._served, self._form, now=self._now(), include=self._include)
