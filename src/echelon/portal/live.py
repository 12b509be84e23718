"""The one event stream of a page: regions whose text has changed, and nothing else.

The stream is told of changes, waits ``COALESCE`` for those that come together, shows the page anew and sends what
differs. It sends at most ``RATE`` bytes a second and shows no more often than it can: after each message it rests as
long as the message weighs, and ten times as long as it took to make; what changes meanwhile comes with the next one.

Every message bears the digest of the page as it is then. A browser that comes back says which it had last, and gets
everything unless that is still so. A page that has other regions than before is sent as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import msgspec

from echelon.portal.rendering import Rendered, digest_of
from echelon.portal.users import Listener

COALESCE = 0.05
PAUSE = 0.15
RATE = 50_000
BREATH = 20.0
"""Seconds of silence after which an empty line is sent, so that whoever has gone is found out."""

WHOLE = "main"
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
    """The events of a page. ``prepare`` is awaited before each showing; ``seen`` is the digest that the page has."""
    loop = asyncio.get_running_loop()
    last: Rendered | None = None
    yield b": hello\n\n"
    while True:
        listener.changed.clear()
        await prepare()
        begun = loop.time()
        found = show()
        if isinstance(found, bytes):
            yield found
            return
        data = _message(found, last, seen)
        took = loop.time() - begun
        last = found.regions
        if data:
            yield data
        await asyncio.sleep(max(PAUSE if data else 0.0, len(data) / RATE, 10 * took))
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


def _message(found: Snapshot, last: Rendered | None, seen: str) -> bytes:
    """What to send to somebody who has the page as it was ``last``, or with the digest ``seen``."""
    digest = digest_of(found.regions)
    if last is None and digest == seen:
        return b""
    if last is None or list(last) != list(found.regions):
        parts = [_partial(WHOLE, "innerMorph", found.whole())]
    else:
        parts = [_partial(name, "outerMorph", text) for name, text in found.regions.items() if last[name] != text]
    if not parts:
        return b""
    lines = "".join(f"data: {line}\n" for line in "\n".join(parts).splitlines() if line.strip())
    return f"id: {digest}\n{lines}\n".encode()


def _partial(target: str, swap: str, text: str) -> str:
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{text}</hx-partial>'
