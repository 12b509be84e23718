"""Moments in the status of a run: RFC 3339, UTC, to the microsecond.

Whole seconds, as Kubernetes writes them, are too coarse here: an upgrade that fails at once would begin and end at
the same moment, and what follows one another would seem to overlap. All have the same number of digits, so that
they also sort as text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from echelon.api.meta import parse_time

_SECOND = timedelta(seconds=1)


def write(moment: datetime | None) -> str | None:
    """A moment as it stands in a status."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def read(text: str | None) -> datetime | None:
    """A moment from a status, whoever wrote it; None for none and for what is no moment."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def read_end(text: str | None) -> datetime | None:
    """A moment by which something has certainly happened: where the writer cut off a fraction of a second, that is
    added, lest what follows seem to have begun earlier."""
    moment = read(text)
    if moment is None or text is None:
        return None
    return moment if "." in text else moment + _SECOND


def plain(moment: datetime) -> str:
    """A moment in a message for people."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
