"""Charts of time: what was, what goes on, what is expected, in rows over one axis.

Positions are percentages of the axis. The browser moves the line of now and lets bars that have no end yet grow, so a
chart is drawn anew only when something has happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

STEPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800)
)
TICKS = 6


class Span(Struct, frozen=True, kw_only=True):
    """What a row is about: when it was, or is expected to be. ``mark`` draws a point instead of a bar."""

    label: str
    level: int
    tone: str
    state: str
    began: datetime | None = None
    ended: datetime | None = None
    expected: tuple[datetime, datetime | None] | None = None
    mark: bool = False
    note: str = ""


class Bar(Struct, frozen=True, kw_only=True):
    """A bar from ``x``, ``width`` wide; one that ``grows`` ends at the line of now."""

    x: float
    width: float
    tone: str
    is_expected: bool = False
    grows: bool = False


class Row(Struct, frozen=True, kw_only=True):
    """A row of the chart; ``words`` say what it shows."""

    label: str
    level: int
    tone: str
    words: str
    mark: bool
    bars: tuple[Bar, ...]
    note: str


class Tick(Struct, frozen=True):
    """A moment on the axis."""

    x: float
    moment: int


class Chart(Struct, frozen=True, kw_only=True):
    """Rows over an axis from ``begin`` to ``end``, in seconds since 1970."""

    begin: int
    end: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    has_seconds: bool


def chart(spans: Sequence[Span], now: datetime) -> Chart | None:
    """A chart of spans; None when nothing of them has a time."""
    moments = list(_moments(spans))
    if not moments:
        return None
    begin, end = min(moments), max(moments)
    if any(span.began is not None and span.ended is None for span in spans):
        end = max(end, now)
    end = max(end, begin + timedelta(seconds=10))
    end += (end - begin) * 0.03
    axis = _Axis(begin, end)
    ticks = tuple(_ticks(axis))
    return Chart(
        begin=int(begin.timestamp()),
        end=int(end.timestamp()) + 1,
        rows=tuple(_row(span, axis) for span in spans),
        ticks=ticks,
        has_seconds=any(tick.moment % 60 for tick in ticks),
    )


def _moments(spans: Iterable[Span]) -> Iterable[datetime]:
    for span in spans:
        found = (span.began, span.ended, *(span.expected or ()))
        yield from (moment for moment in found if moment is not None)


class _Axis:
    def __init__(self, begin: datetime, end: datetime) -> None:
        self.begin = begin
        self.end = end
        self.length = (end - begin).total_seconds()

    def at(self, moment: datetime) -> float:
        return round(100 * (moment - self.begin).total_seconds() / self.length, 2)

    def bar(self, begin: datetime, end: datetime, tone: str, *, is_expected: bool) -> Bar:
        x = self.at(begin)
        return Bar(x=x, width=round(max(0.3, self.at(end) - x), 2), tone=tone, is_expected=is_expected)


def _row(span: Span, axis: _Axis) -> Row:
    bars: list[Bar] = []
    if span.expected is not None and span.ended is None:
        begin, end = span.expected
        bars.append(axis.bar(begin, end or axis.end, span.tone, is_expected=True))
    if span.began is not None and span.ended is not None:
        bars.append(axis.bar(span.began, span.ended, span.tone, is_expected=False))
    elif span.began is not None:
        bars.append(Bar(x=axis.at(span.began), width=0.3, tone=span.tone, grows=True))
    return Row(
        label=span.label,
        level=span.level,
        tone=span.tone,
        words=_words(span),
        mark=span.mark,
        bars=tuple(bars),
        note=span.note,
    )


def _words(span: Span) -> str:
    def said(moment: datetime) -> str:
        return f"{moment.astimezone(UTC):%d %b %H:%M:%S} UTC"

    if span.began is not None:
        return f"{span.state}, from {said(span.began)}" + (f" to {said(span.ended)}" if span.ended else "")
    if span.expected is not None:
        begin, end = span.expected
        return f"expected from {said(begin)}" + (f" to {said(end)}" if end else "")
    return span.state


def _ticks(axis: _Axis) -> Iterable[Tick]:
    """Round moments, few enough to be read."""
    step = next((step for step in STEPS if axis.length / step.total_seconds() <= TICKS), STEPS[-1])
    seconds = int(step.total_seconds())
    first = -(-int(axis.begin.timestamp()) // seconds) * seconds
    for moment in range(first, int(axis.end.timestamp()) + 1, seconds):
        x = axis.at(datetime.fromtimestamp(moment, UTC))
        if x <= 96:
            yield Tick(x, moment)
