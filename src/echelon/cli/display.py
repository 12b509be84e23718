"""Showing a run while it goes on: a live tree on a terminal, one line for each thing that happens elsewhere.

What is shown are scenes, each made from what the hub has said last. The frames in between only move the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from echelon.cli.runs import local_now
from echelon.cli.tree import changes, event, explanation, failures, glyphs_for, tree
from echelon.explain.items import Item
from echelon.explain.waiting import Wait

FRAMES_PER_SECOND = 10


class Scene(msgspec.Struct, frozen=True):
    """A run at a moment: its parts, what it is about, what it waits for."""

    item: Item
    title: str
    waits: Sequence[Wait] = ()


class Display(Protocol):
    """Shows scenes, as a context."""

    def __enter__(self) -> Display: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, scene: Scene) -> None: ...


def display_on(console: Console) -> Display:
    """What shows scenes on a console: a live tree, or lines when it is no terminal."""
    return _LiveTree(console) if console.is_terminal else _Lines(console)


class _LiveTree:
    """A tree that is drawn anew ten times a second, below whatever else is printed."""

    def __init__(self, console: Console) -> None:
        self._glyphs = glyphs_for(console)
        self._scene: Scene | None = None
        self._live = Live(
            console=console, get_renderable=self._frame, refresh_per_second=FRAMES_PER_SECOND, redirect_stderr=False
        )

    def __enter__(self) -> _LiveTree:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, scene: Scene) -> None:
        self._scene = scene
        self._live.refresh()

    def _frame(self) -> RenderableType:
        if self._scene is None:
            return ""
        scene, now = self._scene, local_now()
        over = scene.item.is_over
        shown = tree(scene.item, now, title=scene.title, moving=not over, glyphs=self._glyphs)
        if over:
            return Group(shown, failures(scene.item))
        commands = [Text(f"  {wait.command}", style="cyan") for wait in scene.waits if wait.command]
        return Group(shown, explanation(scene.waits, now), *commands)


class _Lines:
    """A line of plain text for each change of state."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Item | None = None

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, scene: Scene) -> None:
        now = local_now()
        for path, part in changes(self._last, scene.item):
            self._console.print(event(path, part, now), markup=False, soft_wrap=True)
        self._last = scene.item
