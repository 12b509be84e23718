"""Protobuf bodies of built-in kinds, as kubectl and client-go send them.

A body is the four bytes ``k8s\\0`` and a ``runtime.Unknown`` message: the kind, and the object as
another message. Its fields are found in the table of built-in types, which also says how each value
looks in JSON. What comes out is the object as the same client would have sent it in JSON: zero
values of fields without a pointer are left out, bytes are base64, times are RFC 3339.

Fields that the table does not know are skipped, as protobuf wants it. Whatever is wrong with a body
is a bad request (400); no other exception leaves this module.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import orjson

from echelon.apiserver.builtin import notation, quantity
from echelon.apiserver.builtin.notation import SELF_CONTAINING
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import bad_request

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_DEEPEST = 64
"""How deep messages may be nested: far more than any kind needs."""

Value = int | memoryview
"""What stands on the wire: a number or bytes."""
_EMPTY: Value = memoryview(b"")


class _Malformed(Exception):
    """The bytes are not what they should be; the message says why."""


def decode(body: bytes) -> Object:
    """The object in a protobuf body.

    Raises:
        StatusError: 400, when the body is malformed or of a kind that is not built in.
    """
    if body[:4] != MAGIC:
        raise bad_request("the body of the request is not Kubernetes protobuf: it does not begin with the magic bytes")
    try:
        return _unknown(memoryview(body)[4:], 0)
    except _Malformed as fault:
        raise bad_request(f"the body of the request is malformed protobuf: {fault}") from None


@cache
def _kinds() -> dict[tuple[str, str], str]:
    """Keys of the kinds in the table by API version and kind."""
    found = {}
    for package in notation.PACKAGES:
        for entry in notation.package(package).types.values():
            if entry.kind:
                api_version = f"{entry.group}/{entry.version}" if entry.group else entry.version
                found[api_version, entry.name] = entry.key
    return found


_IN_EVERY_GROUP = frozenset({"DeleteOptions", "Status"})


def _unknown(data: memoryview, depth: int) -> Object:
    api_version = kind = ""
    raw = memoryview(b"")
    for number, wire, value in _fields(data):
        if number == 1:
            for inner, inner_wire, text in _fields(_as_bytes(wire, value)):
                if inner == 1:
                    api_version = _text(inner_wire, text)
                elif inner == 2:
                    kind = _text(inner_wire, text)
        elif number == 2:
            raw = _as_bytes(wire, value)
    key = _kinds().get((api_version, kind)) or (f"meta.{kind}" if kind in _IN_EVERY_GROUP else None)
    if key is None:
        raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')
    obj: Object = {"apiVersion": api_version, "kind": kind}
    _message(key, raw, obj, depth)
    return obj


# The wire format.


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
        if shift > 63:
            raise _Malformed("a number is longer than 64 bits")
    raise _Malformed("unexpected end")


def _fields(data: memoryview) -> Iterator[tuple[int, int, Value]]:
    """The fields of a message: number, wire type and value. Groups are skipped."""
    position = 0
    open_groups: list[int] = []
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise _Malformed("field number 0")
        value: Value
        if wire == _VARINT:
            value, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            value, position = _slice(data, position, size)
        elif wire == _BYTES:
            size, position = _varint(data, position)
            value, position = _slice(data, position, size)
        elif wire == _GROUP:
            open_groups.append(number)
            continue
        elif wire == _GROUP_END:
            if not open_groups or open_groups.pop() != number:
                raise _Malformed("a group ends that did not begin")
            continue
        else:
            raise _Malformed(f"wire type {wire}")
        if not open_groups:
            yield number, wire, value
    if open_groups:
        raise _Malformed("unexpected end")


def _slice(data: memoryview, position: int, size: int) -> tuple[memoryview, int]:
    end = position + size
    if end > len(data):
        raise _Malformed("unexpected end")
    return data[position:end], end


def _as_bytes(wire: int, value: Value) -> memoryview:
    if wire != _BYTES or not isinstance(value, memoryview):
        raise _Malformed(f"wire type {wire} where bytes belong")
    return value


def _text(wire: int, value: Value) -> str:
    return bytes(_as_bytes(wire, value)).decode("utf-8", "replace")


def _number(wire: int, value: Value) -> int:
    if wire != _VARINT or not isinstance(value, int):
        raise _Malformed(f"wire type {wire} where a number belongs")
    return value


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _int32(wire: int, value: Value, depth: int) -> int:
    return _signed(_number(wire, value), 32)


def _int64(wire: int, value: Value, depth: int) -> int:
    return _signed(_number(wire, value), 64)


def _bool(wire: int, value: Value, depth: int) -> bool:
    return _number(wire, value) != 0


def _double(wire: int, value: Value, depth: int) -> float:
    if wire != _FIXED64 or not isinstance(value, memoryview):
        raise _Malformed(f"wire type {wire} where a number belongs")
    result: float = struct.unpack("<d", value)[0]
    return result


def _string(wire: int, value: Value, depth: int) -> str:
    return _text(wire, value)


def _base64(wire: int, value: Value, depth: int) -> str:
    return base64.b64encode(_as_bytes(wire, value)).decode("ascii")


# Messages that JSON writes as something else.


def _numbered(wire: int, value: Value) -> dict[int, tuple[int, Value]]:
    """The fields of a small message by number; of several the last counts."""
    return {number: (inner, item) for number, inner, item in _fields(_as_bytes(wire, value))}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(wire: int, value: Value) -> datetime | None:
    found = _numbered(wire, value)
    if not found:
        return None
    seconds = _int64(*found[1], 0) if 1 in found else 0
    nanos = _int32(*found[2], 0) if 2 in found else 0
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError:
        raise _Malformed("a time out of range") from None


def _time(wire: int, value: Value, depth: int) -> str | None:
    moment = _moment(wire, value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _micro_time(wire: int, value: Value, depth: int) -> str | None:
    moment = _moment(wire, value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quantity(wire: int, value: Value, depth: int) -> str:
    found = _numbered(wire, value)
    text = _text(*found[1]) if 1 in found else ""
    try:
        return quantity.canonical(text) if text else "0"
    except ValueError as fault:
        raise _Malformed(str(fault)) from None


def _int_or_string(wire: int, value: Value, depth: int) -> int | str:
    found = _numbered(wire, value)
    if 1 in found and _int64(*found[1], 0) == 1:
        return _text(*found[3]) if 3 in found else ""
    return _int32(*found[2], 0) if 2 in found else 0


def _raw(wire: int, value: Value, depth: int) -> Any:
    """JSON bytes, or another whole body, inside a message."""
    found = _numbered(wire, value)
    content = bytes(_as_bytes(*found[1])) if 1 in found else b""
    if content[:4] == MAGIC:
        return _unknown(memoryview(content)[4:], _deeper(depth))
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError as fault:
        raise _Malformed(f"embedded JSON: {fault}") from None


def _nested_schema(wire: int, value: Value, depth: int) -> Object:
    schema: Object = {}
    _message(SELF_CONTAINING, _as_bytes(wire, value), schema, _deeper(depth))
    return schema


def _schema_or_list(wire: int, value: Value, depth: int) -> Any:
    schema: Any = None
    schemas = []
    for number, inner, item in _fields(_as_bytes(wire, value)):
        if number == 1:
            schema = _nested_schema(inner, item, depth)
        elif number == 2:
            schemas.append(_nested_schema(inner, item, depth))
    return schemas or schema


def _schema_or_bool(wire: int, value: Value, depth: int) -> Any:
    found = _numbered(wire, value)
    if 2 in found:
        return _nested_schema(*found[2], depth)
    return 1 in found and _bool(*found[1], depth)


def _schema_or_strings(wire: int, value: Value, depth: int) -> Any:
    schema: Any = None
    names = []
    for number, inner, item in _fields(_as_bytes(wire, value)):
        if number == 1:
            schema = _nested_schema(inner, item, depth)
        elif number == 2:
            names.append(_text(inner, item))
    return names or schema


# Types of the table.

_Read = Callable[[int, Value, int], Any]

_SCALARS: dict[str, _Read] = {
    "string": _string,
    "bool": _bool,
    "int32": _int32,
    "int64": _int64,
    "float64": _double,
    "bytes": _base64,
    "time": _time,
    "microtime": _micro_time,
    "quantity": _quantity,
    "intorstring": _int_or_string,
    "json": _raw,
    "raw": _raw,
    "fields": _raw,
    "schema-or-list": _schema_or_list,
    "schema-or-bool": _schema_or_bool,
    "schema-or-strings": _schema_or_strings,
}
_PACKED = {"bool": _VARINT, "int32": _VARINT, "int64": _VARINT, "float64": _FIXED64}
"""Scalars that a repeated field may hold packed, and their wire types."""


class _Slot(msgspec.Struct, frozen=True):
    """How a field is read: ``shape`` is empty, ``[]``, ``{}`` or ``inline``; ``kept`` keeps zero values."""

    name: str
    shape: str
    read: _Read
    message: str | None
    packed: int | None
    kept: bool


@cache
def _slots(key: str) -> dict[int, _Slot]:
    return {field.number: _slot(field) for field in notation.find(key).fields if field.number}


def _slot(field: notation.Field) -> _Slot:
    wrap, name = field.type.wrap, field.type.name
    shape = "inline" if field.inline else "".join(layer for layer in wrap if layer != "*")
    scalar = name if name in _SCALARS else "string" if notation.find_enum(name) else None
    read = _reader(scalar, name)
    if shape == "{}[]":  # a map of lists is a map of messages that hold a list as field 1
        shape, read = "{}", _wrapped_list(read)
    return _Slot(
        name=field.name,
        shape=shape,
        read=read,
        message=None if scalar else name,
        packed=_PACKED.get(scalar or "") if shape == "[]" else None,
        kept="*" in wrap or scalar in {"json", "raw", "fields"},
    )


def _reader(scalar: str | None, key: str) -> _Read:
    if scalar is not None:
        return _SCALARS[scalar]

    def read(wire: int, value: Value, depth: int) -> Object:
        obj: Object = {}
        _message(key, _as_bytes(wire, value), obj, _deeper(depth))
        return obj

    return read


def _wrapped_list(read: _Read) -> _Read:
    def read_list(wire: int, value: Value, depth: int) -> list[Any]:
        return [read(inner, item, depth) for number, inner, item in _fields(_as_bytes(wire, value)) if number == 1]

    return read_list


def _deeper(depth: int) -> int:
    if depth >= _DEEPEST:
        raise _Malformed("nested too deep")
    return depth + 1


def _message(key: str, data: memoryview, obj: Object, depth: int) -> None:
    """Read a message of a type of the table into ``obj``."""
    slots = _slots(key)
    for number, wire, value in _fields(data):
        slot = slots.get(number)
        if slot is None:
            continue
        match slot.shape:
            case "":
                _single(slot, wire, value, obj, depth)
            case "[]":
                _repeated(slot, wire, value, obj, depth)
            case "{}":
                key_text, item = _entry(slot, _as_bytes(wire, value), depth)
                obj.setdefault(slot.name, {})[key_text] = item
            case "inline" if slot.message is not None:
                _message(slot.message, _as_bytes(wire, value), obj, _deeper(depth))


def _single(slot: _Slot, wire: int, value: Value, obj: Object, depth: int) -> None:
    if slot.message is not None:
        nested = obj.get(slot.name, {})
        _message(slot.message, _as_bytes(wire, value), nested, _deeper(depth))
        found: Any = nested
    else:
        found = slot.read(wire, value, depth)
    if found is not None and (slot.kept or found):
        obj[slot.name] = found
    else:
        obj.pop(slot.name, None)


def _repeated(slot: _Slot, wire: int, value: Value, obj: Object, depth: int) -> None:
    items = obj.setdefault(slot.name, [])
    if slot.packed is None or wire != _BYTES:
        items.append(slot.read(wire, value, depth))
        return
    data = _as_bytes(wire, value)
    position = 0
    while position < len(data):
        item: Value
        if slot.packed == _VARINT:
            item, position = _varint(data, position)
        else:
            item, position = _slice(data, position, 8)
        items.append(slot.read(slot.packed, item, depth))


def _entry(slot: _Slot, data: memoryview, depth: int) -> tuple[str, Any]:
    key, wire, value = "", _BYTES, _EMPTY
    has_value = False
    for number, inner, item in _fields(data):
        if number == 1:
            key = _text(inner, item)
        elif number == 2:
            wire, value, has_value = inner, item, True
    if not has_value and slot.read in (_bool, _int32, _int64):
        return key, slot.read(_VARINT, 0, depth)
    return key, slot.read(wire, value, depth)
