"""Values without fields: how each is read from JSON and brought into its one stored form."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from echelon.apiserver.builtin import quantity


class Refused(Exception):
    """A value that cannot be read: ``found`` names it when its JSON type does not, ``plain`` is a whole message."""

    def __init__(self, found: str = "", plain: str = "") -> None:
        super().__init__(found or plain)
        self.found = found
        self.plain = plain


class Scalar(msgspec.Struct, frozen=True):
    """A scalar type: Go's name for it, its zero value (None: it has none in JSON) and how it is read."""

    go_type: str
    zero: Any
    read: Callable[[Any], Any]


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Refused
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused
    return value


def _integer(bits: int) -> Callable[[Any], int]:
    limit = 1 << (bits - 1)

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused
        if isinstance(value, float) or not -limit <= value < limit:
            raise Refused(found=f"number {value}")
        return value

    return read


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused
    return value


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def _bytes(value: Any) -> str:
    text = _string(value)
    try:
        base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        stray = _NOT_BASE64.search(text)
        position = stray.start() if stray else len(text)
        raise Refused(plain=f"illegal base64 data at input byte {position}") from None
    return text


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _moment(text: str) -> datetime:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        layout = "2006-01-02T15:04:05Z07:00"
        raise Refused(plain=f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from None


def _seconds(text: str) -> str:
    return _moment(text).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


_LONGEST_KEPT = 40
_kept_seconds = lru_cache(maxsize=4096)(_seconds)
"""Every write of an object brings the same times again."""


def _time_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    word = {bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
    raise Refused(plain=f"json: cannot unmarshal {word} into Go value of type string")


def _time(value: Any) -> str:
    text = _time_text(value)
    return _kept_seconds(text) if len(text) <= _LONGEST_KEPT else _seconds(text)


def _micro_time(value: Any) -> str:
    return _moment(_time_text(value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quantity(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Refused(plain=quantity.MALFORMED)
    try:
        return quantity.canonical(str(value).strip())
    except ValueError as fault:
        raise Refused(plain=str(fault)) from None


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, str):
        return value
    try:
        return _integer(32)(value)
    except Refused as refused:
        word = refused.found or {bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
        raise Refused(plain=f"json: cannot unmarshal {word} into Go value of type int32") from None


def _anything(value: Any) -> Any:
    return value


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise Refused
    return value


SCALARS: dict[str, Scalar] = {
    "string": Scalar("string", "", _string),
    "bool": Scalar("bool", False, _bool),
    "int32": Scalar("int32", 0, _integer(32)),
    "int64": Scalar("int64", 0, _integer(64)),
    "float64": Scalar("float64", 0.0, _float),
    "bytes": Scalar("[]uint8", "", _bytes),
    "time": Scalar("v1.Time", None, _time),
    "microtime": Scalar("v1.MicroTime", None, _micro_time),
    "quantity": Scalar("resource.Quantity", "0", _quantity),
    "intorstring": Scalar("intstr.IntOrString", 0, _int_or_string),
    "json": Scalar("v1.JSON", None, _anything),
    "raw": Scalar("runtime.RawExtension", None, _anything),
    "fields": Scalar("v1.FieldsV1", None, _object),
}
