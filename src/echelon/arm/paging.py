"""Pages of lists: ``$top`` is how many a page has, ``$skipToken`` where it begins.

A page ends with the address of the next one. It says after which name the list goes on, so that what comes or
goes meanwhile neither repeats nor hides anything else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from echelon.arm.errors import invalid

T = TypeVar("T")
PAGE = 100
"""How many resources a page has, unless the client says."""

_MOST = 1000


def page(
    items: Sequence[T],
    key: Callable[[T], str],
    query: Mapping[str, str],
    address: str,
    shown: Callable[[T], Any],
) -> dict[str, Any]:
    """A page of a list in the order of ``key``, which no two items share.

    ``address`` is that of the list, without its query.

    Raises:
        ArmError: what the query says of pages makes no sense.
    """
    top, after = _top(query), _skip_token(query)
    rest = sorted((item for item in items if key(item) > after), key=key)
    body: dict[str, Any] = {"value": [shown(item) for item in rest[:top]]}
    if len(rest) > top:
        token = base64.urlsafe_b64encode(key(rest[top - 1]).encode()).decode().rstrip("=")
        kept = {name: query[name] for name in ("api-version", "$filter", "$top") if name in query}
        body["nextLink"] = f"{address}?{urlencode(kept | {'$skipToken': token}, safe='$')}"
    return body


def _top(query: Mapping[str, str]) -> int:
    text = query.get("$top")
    if text is None:
        return PAGE
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000_000:
        raise invalid(f"{text!r} is not a number of resources; want 1 or more", "$top")
    return min(_MOST, int(text))


def _skip_token(query: Mapping[str, str]) -> str:
    text = query.get("$skipToken") or query.get("$skiptoken")
    if not text:
        return ""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{text!r} is no skip token of this list", "$skipToken") from error
