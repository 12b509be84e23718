"""Long lists, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar
from urllib.parse import urlencode

from msgspec import Struct

PER_PAGE = 100
T = TypeVar("T")


class Slice(Struct, Generic[T], frozen=True, kw_only=True):
    """A page of a list, and where the ones beside it are."""

    items: tuple[T, ...]
    total: int
    first: int
    previous: str = ""
    next: str = ""


def page_of(items: Sequence[T], query: Mapping[str, str], per_page: int = PER_PAGE) -> Slice[T]:
    """The page that a query asks for, the last one if there is no such."""
    text = query.get("page", "1")
    last = max(1, -(-len(items) // per_page))
    number = min(last, max(1, int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1))

    def link(to: int) -> str:
        others = {name: value for name, value in query.items() if name not in ("page", "seen")}
        return "?" + urlencode(others | {"page": str(to)})

    begin = (number - 1) * per_page
    return Slice(
        items=tuple(items[begin : begin + per_page]),
        total=len(items),
        first=begin + 1,
        previous=link(number - 1) if number > 1 else "",
        next=link(number + 1) if number < last else "",
    )
