"""The one event stream of a page: regions whose text has changed, and nothing else.

The stream is told of changes, waits ``COALESCE`` for those that come together, shows the page anew and sends what
differs. It sends at most ``RATE`` bytes a second and shows no more often than it can: after each message it rests as
long as the message weighs, and four times as long as it took to make; what changes meanwhile comes with the next one.

Every message bears the digests of the regions as they are then. A browser that comes back says which it had last, and
gets what differs. A page that has other regions than before is sent as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec

from echelon.portal.rendering import Rendered, digests_of, read, written
from echelon.portal.users import Listener

COALESCE = 0.05
PAUSE = 0.15
RATE = 50_000
BREATH = 20.0
"""Seconds of silence after which an empty line is sent, so that whoever has gone is found out."""

WHOLE = "main"
OUTSIDE = ("waiting",)
"""Regions that every page has, and that are not in its body."""

LEAVE = b"event: leave\ndata: /signin\n\n"


class Snapshot(msgspec.Struct, frozen=True):
    """A page as it is now: its regions, and all of it."""

    regions: Rendered
    whole: Callable[[], str]


Show = Callable[[], Snapshot | bytes]
"""Gives the page as it is now, or the stream's last words."""


async def stream(
    show: Show, listener: Listener, seen: str, prepare: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    """The events of a page. ``prepare`` is awaited before each showing; ``seen`` are the digests that the page has."""
    loop = asyncio.get_running_loop()
    last = read(seen)
    yield b": hello\n\n"
    while True:
        listener.changed.clear()
        await prepare()
        begun = loop.time()
        found = show()
        if isinstance(found, bytes):
            yield found
            return
        data, last = _message(found.regions, found.whole, last)
        took = loop.time() - begun
        if data:
            yield data
        await asyncio.sleep(max(PAUSE if data else 0.0, len(data) / RATE, 4 * took))
        if await _happens(listener.changed, BREATH):
            await asyncio.sleep(COALESCE)
        else:
            yield b": \n\n"


async def _happens(event: asyncio.Event, within: float) -> bool:
    """Wait for something, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await event.wait()
    return event.is_set()


def _message(regions: Rendered, whole: Callable[[], str], last: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]]:
    """What to send to somebody who has the regions with the digests ``last``, and those that they have then."""
    digests = digests_of(regions)
    if list(last) != list(digests):
        parts = [_partial(WHOLE, "innerMorph", whole())]
        parts += [_partial(name, "outerMorph", regions[name]) for name in OUTSIDE if name in regions]
    else:
        parts = [_partial(name, "outerMorph", text) for name, text in regions.items() if last[name] != digests[name]]
    if not parts:
        return b"", digests
    lines = "".join(f"data: {line}\n" for line in "\n".join(parts).splitlines() if line.strip())
    return f"id: {written(digests)}\n{lines}\n".encode(), digests


def _partial(target: str, swap: str, text: str) -> str:
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{text}</hx-partial>'
