"""Following a run: a live tree on a terminal, one line for each thing that happens elsewhere.

What is shown is what the hub says: the run and its placement's bindings are watched, and every
frame is made from the newest of them. The frames in between only move the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live

from echelon.api import names
from echelon.cli.outline import Binding, Item, Run, outline, what_is_rolled_out
from echelon.cli.runs import binding_kind, local_now, run_kind
from echelon.cli.tree import changes, event, explanation, failures, glyphs_for, tree
from echelon.cli.waiting import waits
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.informer import Informer

FRAMES_PER_SECOND = 10


class Gone(Exception):
    """The run was deleted while it was followed."""


async def follow(client: Client, run: Run, console: Console, *, on_change: Callable[[Run], None] | None = None) -> Run:
    """Show a run until it is over; gives it as it was last.

    Args:
        client: of the hub.
        run: as it was read or created.
        console: where to show it; lines instead of a tree when it is no terminal.
        on_change: called with the run whenever it has changed.

    Raises:
        Gone: it was deleted meanwhile.
    """
    shown = _LiveTree(console) if console.is_terminal else _Lines(console)
    async with _watched(client, run) as view:
        with shown:
            while True:
                current = view.run()
                bindings = view.bindings()
                item = outline(current, bindings)
                shown.show(current, item)
                if on_change is not None:
                    on_change(current)
                if item.is_over:
                    return current
                await view.changed()


class _View:
    """A run and its bindings, as they are watched."""

    def __init__(self, cache: SharedCache, runs: Informer[Run], bindings: Informer[Binding], run: Run) -> None:
        self._cache = cache
        self._runs = runs
        self._bindings = bindings
        self._key = run.key
        self._change = asyncio.Event()
        runs.add_handler(lambda _: self._change.set())
        bindings.add_handler(lambda _: self._change.set())

    def run(self) -> Run:
        found = self._runs.get(self._key)
        if found is None:
            raise Gone
        return found

    def bindings(self) -> list[Binding]:
        return list(self._bindings.list())

    async def changed(self) -> None:
        """Wait until the hub has said something new."""
        await self._change.wait()
        self._change.clear()


@asynccontextmanager
async def _watched(client: Client, run: Run) -> AsyncIterator[_View]:
    namespace = run.metadata.namespace
    cache = SharedCache(client)
    runs: Informer[Run] = cache.informer(
        run_kind(namespace), namespace=namespace or None, fields=f"metadata.name={run.metadata.name}"
    )
    bindings: Informer[Binding] = cache.informer(
        binding_kind(namespace),
        namespace=namespace or None,
        labels={names.PARENT_PLACEMENT: run.spec.placement_name},
    )
    watching = asyncio.create_task(cache.run())
    try:
        await cache.wait_for_sync()
        yield _View(cache, runs, bindings, run)
    finally:
        watching.cancel()
        await asyncio.wait([watching])


class _LiveTree:
    """A tree that is drawn anew ten times a second, below whatever else is printed."""

    def __init__(self, console: Console) -> None:
        self._glyphs = glyphs_for(console)
        self._now: tuple[Run, Item] | None = None
        self._live = Live(
            console=console, get_renderable=self._frame, refresh_per_second=FRAMES_PER_SECOND, redirect_stderr=False
        )

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, run: Run, item: Item) -> None:
        self._now = (run, item)
        self._live.refresh()

    def _frame(self) -> RenderableType:
        if self._now is None:
            return ""
        run, item = self._now
        now = local_now()
        title = what_is_rolled_out(run)
        shown = tree(item, now, title=title, moving=not item.is_over, glyphs=self._glyphs)
        if item.is_over:
            return Group(shown, failures(item))
        return Group(shown, explanation(waits(run, item), now))


class _Lines:
    """A line of plain text for each change of state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Item | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, run: Run, item: Item) -> None:
        now = local_now()
        for path, part in changes(self._last, item):
            self._console.print(event(path, part, now), markup=False, soft_wrap=True)
        self._last = item
