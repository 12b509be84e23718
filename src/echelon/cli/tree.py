"""A run on a terminal: a tree with aligned columns, or one line for each thing that happened.

Pure: an outline and a moment give renderables of ``rich``. Colours are the sixteen that every
terminal has in its own scheme, so the tree reads on dark and on light; every state has a symbol and
a word as well, so it reads without colours. Where the terminal cannot show the symbols, ASCII
stands in. A stage or group with many members shows those that matter and counts the others. While it is followed,
what is under way has a bar.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from echelon.explain.items import Item, Part, State
from echelon.explain.waiting import Wait

MEMBERS_SHOWN = 12

_STYLES: Mapping[State, str] = {
    State.NOT_STARTED: "dim",
    State.UPDATING: "cyan",
    State.WAITING: "yellow",
    State.STOPPING: "yellow",
    State.STOPPED: "yellow",
    State.STUCK: "red",
    State.SKIPPED: "dim",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.PLANNED: "dim",
}
_WORDS: Mapping[tuple[Part, State], str] = {
    (Part.MEMBER, State.DONE): "updated",
    (Part.MEMBER, State.NOT_STARTED): "",
    (Part.STAGE, State.NOT_STARTED): "",
    (Part.GROUP, State.NOT_STARTED): "",
    (Part.WAIT, State.DONE): "elapsed",
    (Part.WAIT, State.NOT_STARTED): "",
    (Part.APPROVAL, State.DONE): "approved",
    (Part.APPROVAL, State.NOT_STARTED): "",
    (Part.GATE, State.DONE): "passed",
    (Part.GATE, State.NOT_STARTED): "",
}
_SHORT = {Part.APPROVAL: "approval", Part.WAIT: "wait"}
_ALWAYS_SHOWN = (State.FAILED, State.UPDATING, State.STUCK, State.WAITING)
_BAR = 10  # columns
_SCOPES = (Part.STAGE, Part.GROUP)


class Glyphs(msgspec.Struct, frozen=True):
    """What a tree is drawn with."""

    branch: str
    last: str
    line: str
    more: str
    bar: str  # what is done, and what is not
    symbols: Mapping[State, str]
    frames: str  # of the symbol of what is being updated, ten a second


UNICODE = Glyphs(
    branch="├─ ",
    last="╰─ ",
    line="│  ",
    more="…",
    bar="━┄",
    symbols={
        State.NOT_STARTED: "○",
        State.UPDATING: "●",
        State.WAITING: "◆",
        State.STOPPING: "■",
        State.STOPPED: "■",
        State.STUCK: "!",
        State.SKIPPED: "⊘",
        State.DONE: "✓",
        State.FAILED: "✗",
        State.PLANNED: "○",
    },
    frames="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
)
ASCII = Glyphs(
    branch="|- ",
    last="`- ",
    line="|  ",
    more="...",
    bar="=-",
    symbols={
        State.NOT_STARTED: ".",
        State.UPDATING: "*",
        State.WAITING: "?",
        State.STOPPING: "#",
        State.STOPPED: "#",
        State.STUCK: "!",
        State.SKIPPED: "-",
        State.DONE: "+",
        State.FAILED: "x",
        State.PLANNED: ".",
    },
    frames="|/-\\",
)


def glyphs_for(console: Console) -> Glyphs:
    """What a console can show."""
    return ASCII if console.options.ascii_only else UNICODE


def state_style(state: State) -> str:
    """The style of a state's word."""
    return _STYLES[state]


def tree(
    item: Item, now: datetime, *, title: str = "", moving: bool = False, glyphs: Glyphs = UNICODE
) -> RenderableType:
    """The outline of a run as a tree.

    Args:
        item: the outline.
        now: the moment that it is shown at; its time zone is the one for times.
        title: stands beside the run: what is rolled out.
        moving: whether this is a frame of a live display.
        glyphs: what to draw with.
    """
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=8)
    table.add_column(no_wrap=True, justify="right", min_width=5)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    frame = glyphs.frames[int(now.timestamp() * 10) % len(glyphs.frames)] if moving else ""
    for line in _lines(item, title, "", "", glyphs):
        style = _STYLES[line.item.state]
        symbol = (frame if line.item.state is State.UPDATING else "") or glyphs.symbols[line.item.state]
        name = Text().append(line.guide, style="dim").append(f"{symbol} ", style=style)
        name.append(_name(line.item), style=_name_style(line.item))
        table.add_row(
            name,
            Text(word(line.item), style=style),
            Text(took(line.item, now), style="dim"),
            _bar(line.item, glyphs if moving else None).append(
                " ".join((line.note or _note(line.item, now)).split()), style=_note_style(line.item)
            ),
        )
    return table


def _bar(item: Item, glyphs: Glyphs | None) -> Text:
    """How far a part is that is under way, as a bar; nothing for others, and without glyphs."""
    if glyphs is None or item.state not in (State.UPDATING, State.WAITING, State.STOPPING):
        return Text()
    done, total = item.steps_done, item.steps
    if item.part in _SCOPES:
        members = list(item.members())
        done, total = sum(member.is_over for member in members), len(members)
    if not total:
        return Text()
    full = _BAR * done // total
    return (
        Text()
        .append(glyphs.bar[0] * full, style=_STYLES[State.DONE])
        .append(glyphs.bar[1] * (_BAR - full) + " ", style="dim")
    )


class _Line(msgspec.Struct, frozen=True):
    guide: str
    item: Item
    note: str


def _lines(item: Item, note: str, guide: str, below: str, glyphs: Glyphs) -> Iterator[_Line]:
    yield _Line(guide, item, note)
    shown, rest = _worth_showing(item.items)
    for number, child in enumerate(shown):
        last = number == len(shown) - 1
        yield from _lines(
            child,
            rest if child.part is Part.MEMBER and child.name == "" else "",
            below + (glyphs.last if last else glyphs.branch),
            below + ("   " if last else glyphs.line),
            glyphs,
        )


def _worth_showing(items: Sequence[Item]) -> tuple[Sequence[Item], str]:
    """What of a stage is shown. Members that are left out become one line without a name, and words for it."""
    members = [item for item in items if item.part is Part.MEMBER]
    if len(members) <= MEMBERS_SHOWN:
        return items, ""
    shown = [member for member in members if member.state in _ALWAYS_SHOWN][:MEMBERS_SHOWN]
    counts = Counter(word(member) or "not started" for member in members if member not in shown)
    first = next(number for number, item in enumerate(items) if item.part is Part.MEMBER)
    states = {member.state for member in members if member not in shown}
    state = states.pop() if len(states) == 1 else State.NOT_STARTED
    others = Item(part=Part.MEMBER, name="", state=state)
    rest = [item for item in items if item.part is not Part.MEMBER]
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    return [*rest[:first], *shown, others, *rest[first:]], words


def _name(item: Item) -> str:
    if item.part is Part.APPROVAL:
        return "approval"
    return item.name or "others"


def _name_style(item: Item) -> str:
    if item.part is Part.RUN:
        return "bold"
    if item.state is State.NOT_STARTED:
        return "dim"
    return "bold" if item.part in _SCOPES else ""


def _note_style(item: Item) -> str:
    if item.state in (State.FAILED, State.STUCK):
        return "red"
    return "" if item.state is State.WAITING and item.part not in _SCOPES else "dim"


def word(item: Item) -> str:
    """The state of a part of a run in a word."""
    if item.part is Part.MEMBER and not item.name:
        return ""
    return _WORDS.get((item.part, item.state), item.state.value)


def took(item: Item, now: datetime) -> str:
    """How long a part of a run took, or has taken so far."""
    if item.since is None or item.state in (State.NOT_STARTED, State.SKIPPED):
        return ""
    return duration((item.ended or now) - item.since)


def _note(item: Item, now: datetime) -> str:
    if item.part in _SCOPES:
        return item.note or _scope_note(item)
    if item.state is not State.WAITING:
        return item.note
    if item.until is not None:
        left = duration(max(item.until - now, timedelta(0)))
        why = f"{item.note}; " if item.note else ""
        return f"{why}until {clock(item.until, now)}, {left} left"
    if item.part is Part.APPROVAL:
        return f"since {clock(item.since, now)}: {item.name}" if item.since else item.name
    return item.note


def _scope_note(scope: Item) -> str:
    members = list(scope.members())
    total = f"{len(members)} member{'s' * (len(members) != 1)}"
    if scope.state in (State.DONE, State.SKIPPED, State.NOT_STARTED, State.PLANNED):
        return total
    return f"{sum(member.is_over for member in members)} of {total}"


# -- in words -----------------------------------------------------------------------------------


def duration(span: timedelta) -> str:
    """A duration in at most two units: ``<1s``, ``12s``, ``3m05s``, ``2h07m``, ``4d03h``."""
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "<1s"
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02}s"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}m"
    return f"{seconds // 86400}d{seconds % 86400 // 3600:02}h"


def clock(moment: datetime, now: datetime) -> str:
    """A moment in the time zone of ``now``, with its date unless it is today."""
    try:
        local = moment.astimezone(now.tzinfo)
    except OverflowError:  # the last day there is, in a time zone ahead of it
        local = moment
    return f"{local:%H:%M:%S}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M:%S}"


def explanation(waits: Sequence[Wait], now: datetime) -> RenderableType:
    """What a run waits for, since when, until when, and what would unblock it."""
    parts: list[RenderableType] = []
    for wait in waits:
        parts.append(Text("Waits for ", style="yellow").append(wait.what, style="bold"))
        times = [f"since {clock(wait.since, now)} ({duration(now - wait.since)})"] if wait.since else []
        times += [f"until {clock(wait.until, now)} ({_left(wait.until, now)})"] if wait.until else []
        details = [", ".join(times), f"To go on: {wait.unblock}" if wait.unblock else ""]
        parts += [Padding(Text(detail), (0, 0, 0, 2)) for detail in details if detail]
    return Group(*parts)


def _left(until: datetime, now: datetime) -> str:
    return f"{duration(until - now)} left" if until > now else "due"


def failures(item: Item) -> RenderableType:
    """Everything that failed, with its message in full."""
    parts: list[RenderableType] = []
    for path, part in _walk(item, ()):
        if part.state is State.FAILED and part.note:
            where = "/".join(path) or part.name
            parts.append(Text(f"{where}: ", style="bold red").append(part.note, style="not bold"))
    return Group(*parts)


# -- what happened ------------------------------------------------------------------------------


def changes(before: Item | None, after: Item) -> list[tuple[str, Item]]:
    """The parts of a run whose state is another than before, by their path in the run."""
    known = {} if before is None else {path: item.state for path, item in _walk(before, ())}
    return [
        ("/".join((after.name, *path)), item)
        for path, item in _walk(after, ())
        if item.state is not known.get(path, State.NOT_STARTED)
    ]


def _walk(item: Item, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Item]]:
    """All parts below and including this one, parts before the whole when they are over."""
    children = [(child, (*path, _SHORT.get(child.part, child.name))) for child in item.items]
    if not item.is_over:
        yield path, item
    for child, below in children:
        yield from _walk(child, below)
    if item.is_over:
        yield path, item


def event(path: str, item: Item, now: datetime) -> str:
    """What happened to a part of a run, as a line of plain text."""
    details = " ".join(_note(item, now).split())
    time = took(item, now) if item.is_over else ""
    tail = ", ".join(part for part in (time, details) if part)
    what = word(item) or item.state.value
    return f"{now:%H:%M:%S}  {path}  {what}{f'  ({tail})' if tail else ''}"
