"""Templates: how views become text.

Templates escape everything, and fail on a name that a view does not have. Moments are written in UTC with their exact
value beside them; the browser shows them in its own time zone and lets those that count go on counting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from echelon.portal import assets

Rendered = Mapping[str, Markup]


@cache
def environment() -> Environment:
    """The templates of this package."""
    made = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = assets.address
    made.filters.update(
        at=at, ago=ago, until=until, span=span, seconds=seconds, plural=plural, share=share, slug=slug, path=path
    )
    return made


def render(template: str, **values: object) -> Markup:
    """A template with values."""
    return Markup(environment().get_template(template).render(values))


def digests_of(rendered: Rendered) -> Mapping[str, str]:
    """What tells, of each region, whether somebody who saw it has seen this one."""
    return {name: hashlib.blake2b(text.encode(), digest_size=5).hexdigest() for name, text in rendered.items()}


def written(digests: Mapping[str, str]) -> str:
    """Digests as a text for addresses and headers."""
    return "~".join(f"{name}.{digest}" for name, digest in digests.items())


def read(text: str) -> Mapping[str, str]:
    """Digests from a text; what is none is passed over."""
    parts = (part.rpartition(".") for part in text.split("~"))
    return {name: digest for name, _, digest in parts if name}


# -- moments ------------------------------------------------------------------------------------


def at(moment: datetime | None) -> Markup:
    """A moment: "14:05", or with the day when that is not today's in the browser."""
    return _time(moment, "at", "")


def ago(moment: datetime | None) -> Markup:
    """How long since a moment, going on in the browser."""
    return _time(moment, "ago", "since ")


def until(moment: datetime | None) -> Markup:
    """How long until a moment, going on in the browser."""
    return _time(moment, "until", "until ")


def _time(moment: datetime | None, form: str, before: str) -> Markup:
    if moment is None:
        return Markup("–")
    exact = moment.astimezone(UTC)
    template = '<time datetime="{}" data-form="{}">{}{}</time>'
    return Markup(template).format(f"{exact:%Y-%m-%dT%H:%M:%SZ}", form, before, f"{exact:%d %b %H:%M} UTC")


def span(time: timedelta | None) -> str:
    """A duration in at most two units: ``2 h 5 min``."""
    if time is None:
        return "–"
    seconds = max(0, round(time.total_seconds()))
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    parts = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def seconds(count: int) -> str:
    """A number of seconds as a duration."""
    return span(timedelta(seconds=count))


# -- words --------------------------------------------------------------------------------------


def plural(count: int, word: str, words: str = "") -> str:
    """``3 members``, ``1 member``."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def share(part: float, whole: float) -> str:
    """A part of a whole as a percentage for the drawing of bars."""
    return f"{100 * part / whole:.2f}%" if whole else "0%"


def slug(text: str) -> str:
    """A text as part of an id; different texts have different ones."""
    plain = "".join(c if c.isalnum() and c.isascii() else "-" for c in text)
    return plain if plain == text else f"{plain}-{hashlib.blake2b(text.encode(), digest_size=3).hexdigest()}"


def path(*parts: str | Sequence[str]) -> str:
    """A text as a part of a path."""
    return "/".join(quote(str(part), safe="") for part in parts)
