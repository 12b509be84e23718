"""Label selectors as kubectl writes them: ``env=prod,tier!=edge,zone in (a,b),!spot``."""

from __future__ import annotations

import re
from functools import lru_cache

from echelon.api.meta import LabelSelector, LabelSelectorRequirement

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"(?P<key>{_KEY})\s*(?P<operator>==|=|!=)\s*(?P<value>{_VALUE})", re.ASCII)
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)", re.ASCII)
_PRESENCE = re.compile(rf"(?P<absent>!?)\s*(?P<key>{_KEY})", re.ASCII)
_VALUE_ALONE = re.compile(_VALUE, re.ASCII)
_COMMA = re.compile(r",(?![^(]*\))")


class InvalidSelector(ValueError):
    """The text is no label selector."""


@lru_cache(1024)
def parse(text: str) -> LabelSelector:
    """Read a selector; all its terms must hold.

    Raises:
        InvalidSelector: the text is none.
    """
    terms = [term.strip() for term in _COMMA.split(text)]
    return LabelSelector(match_expressions=tuple(_requirement(term, text) for term in terms))


def _requirement(term: str, text: str) -> LabelSelectorRequirement:
    if found := _EQUALITY.fullmatch(term):
        values: tuple[str, ...] = (found["value"],)
        return LabelSelectorRequirement(found["key"], "NotIn" if found["operator"] == "!=" else "In", values)
    if found := _SET.fullmatch(term):
        values = tuple(value.strip() for value in found["values"].split(","))
        if all(_VALUE_ALONE.fullmatch(value) for value in values):
            return LabelSelectorRequirement(found["key"], "In" if found["operator"] == "in" else "NotIn", values)
    if found := _PRESENCE.fullmatch(term):
        return LabelSelectorRequirement(found["key"], "DoesNotExist" if found["absent"] else "Exists")
    raise InvalidSelector(f"{term!r} in {text!r} is no term of a label selector; want one such as env=prod or !spot")
