"""Equal parts of objects are one part: what a hub holds of a hundred thousand Works is mostly the same.

A placement's Works on all members hold the same objects, and say the same of them. Frozen values may be shared,
so whoever decodes an object gets the part that is there already. This also lets go of the text that
the object was decoded from, which raw JSON in it would keep as a whole.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=Hashable)

_MOST = 20_000  # parts that are remembered
_LARGE = 4096  # bytes of a text that is not worth the memory of remembering it

_values: dict[Hashable, Hashable] = {}
_texts: dict[bytes, msgspec.Raw] = {}


def shared(value: T) -> T:
    """The value that is equal to this one and was there first."""
    if len(_values) >= _MOST:
        _values.clear()
    return _values.setdefault(value, value)  # type: ignore[return-value]  # equal values have one type here


def shared_text(text: msgspec.Raw) -> msgspec.Raw:
    """As ``shared``, of JSON text; large text is copied out of what it was part of."""
    content = bytes(text)
    if len(content) > _LARGE:
        return msgspec.Raw(content)
    if len(_texts) >= _MOST:
        _texts.clear()
    return _texts.setdefault(content, msgspec.Raw(content))
