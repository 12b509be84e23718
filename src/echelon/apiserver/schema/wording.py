"""Field errors in Kubernetes' words.

Clients show these texts to people and scripts match on them, so kinds of fault, quoting and number
formats follow ``k8s.io/apimachinery/pkg/util/validation/field``. Every function makes one
``FieldError``; a path of ``None`` is the nil path, which Kubernetes prints as ``<nil>``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import orjson

from echelon.apiserver.errors import FieldError

NIL_PATH = "<nil>"


class Omitted:
    """Stands for a value that is left out of the message, as Kubernetes does with whole objects."""


OMITTED = Omitted()

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def quote(text: str) -> str:
    """Text as Go's ``%q`` writes it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(character) or _visible(character) for character in text) + '"'


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float) -> str:
    """A number as Go's ``%v`` writes it: the fewest digits, with an exponent from a million and below 0.0001."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value) or math.isnan(value):
        return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if not isinstance(exponent, int) or not value:
        return "0"
    power = exponent + len(digits) - 1
    if -4 <= power < 6:
        return f"{Decimal((sign, digits, exponent)):f}"
    text = "".join(map(str, digits))
    return f"{'-' if sign else ''}{text[0]}{'.' if text[1:] else ''}{text[1:]}e{power:+03d}"


class Record(dict[str, object]):
    """Stands for a Go struct: its fields keep their order in messages, where keys of maps are sorted."""


def to_json(value: object) -> str:
    """JSON as Go's ``encoding/json`` writes it: sorted keys, ``<``, ``>`` and ``&`` escaped."""
    option = 0 if isinstance(value, Record) else orjson.OPT_SORT_KEYS
    text = orjson.dumps(value, option=option).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def show(value: object) -> str:
    """A faulty value as messages quote it."""
    match value:
        case str():
            return quote(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number(value)
    return to_json(value)


def _with_value(kind: str, value: object, detail: str) -> str:
    text = kind if isinstance(value, Omitted) else f"{kind}: {show(value)}"
    return f"{text}: {detail}" if detail else text


def _field(path: str | None) -> str:
    return NIL_PATH if path is None else path


def invalid(path: str | None, value: object, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", _field(path), _with_value("Invalid value", value, detail))


def type_invalid(path: str | None, value: object, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", _field(path), _with_value("Invalid value", value, detail))


def required(path: str | None, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", _field(path), _with_value("Required value", OMITTED, detail))


def forbidden(path: str | None, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", _field(path), _with_value("Forbidden", OMITTED, detail))


def duplicate(path: str | None, value: object) -> FieldError:
    return FieldError("FieldValueDuplicate", _field(path), _with_value("Duplicate value", value, ""))


def not_supported(path: str | None, value: object, supported: Iterable[object]) -> FieldError:
    names = [quote(item if isinstance(item, str) else to_json(item)) for item in supported]
    detail = "supported values: " + ", ".join(names) if names else ""
    return FieldError("FieldValueNotSupported", _field(path), _with_value("Unsupported value", value, detail))


def too_long(path: str | None, limit: int) -> FieldError:
    unit = "byte" if limit == 1 else "bytes"
    return FieldError("FieldValueTooLong", _field(path), f"Too long: may not be more than {limit} {unit}")


def too_many(path: str | None, count: int, limit: int) -> FieldError:
    unit = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", _field(path), f"Too many: {count}: must have at most {limit} {unit}")
