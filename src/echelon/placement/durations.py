"""Durations as the staged rollout API writes them: Go's notation, ``90s``, ``1h30m``, ``1.5h``."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_TERM = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_LONGEST = Decimal(2**63 - 1) / 10**9  # what Go can count in nanoseconds, about 292 years


def parse_duration(text: str) -> timedelta:
    """Read a duration of hours, minutes and seconds.

    Raises:
        ValueError: naming the text and what would be accepted.
    """
    terms = list(_TERM.finditer(text))
    if not terms or "".join(term[0] for term in terms) != text:
        raise ValueError(f"{text!r} is not a duration; want hours, minutes and seconds such as 1h30m or 45s")
    seconds = sum((Decimal(term[1]) * _SECONDS[term[2]] for term in terms), Decimal(0))
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than any duration can be; the longest is 2562047h47m16s")
    return timedelta(microseconds=int(seconds * 1_000_000))


def format_duration(duration: timedelta) -> str:
    """The duration in the canonical form that Go prints: ``5m0s``, ``1h0m0s``, ``1.5s``."""
    total = duration // timedelta(microseconds=1)
    whole, fraction = divmod(total, 1_000_000)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    tail = f"{fraction:06d}".rstrip("0")
    text = f"{seconds}.{tail}s" if tail else f"{seconds}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
