"""Protobuf bodies written by an encoder of this test come out as what went in, for objects of any kind."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.builtin import notation
from echelon.apiserver.builtin.schema import BuiltinSchema
from echelon.apiserver.protobuf import MAGIC, decode

Objects = Callable[[str], st.SearchStrategy[dict[str, Any]]]


def varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def tagged(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def encode_time(number: int, text: str) -> bytes:
    moment = datetime.fromisoformat(text)
    seconds = number_field(1, int(moment.timestamp() // 1)) + number_field(2, moment.microsecond * 1000)
    return tagged(number, seconds)


def encode_scalar(name: str, number: int, value: Any) -> bytes:
    match name:
        case "bool" | "int32" | "int64":
            return number_field(number, int(value))
        case "float64":
            return varint(number << 3 | 1) + struct.pack("<d", value)
        case "bytes":
            return tagged(number, base64.b64decode(value))
        case "time" | "microtime":
            return encode_time(number, value)
        case "quantity":
            return tagged(number, tagged(1, value.encode()))
        case "intorstring" if isinstance(value, str):
            return tagged(number, number_field(1, 1) + tagged(3, value.encode()))
        case "intorstring":
            return tagged(number, number_field(1, 0) + number_field(2, value))
        case "json" | "raw" | "fields":
            return tagged(number, tagged(1, orjson.dumps(value)))
        case "schema-or-list":
            return tagged(number, b"".join(encode_object("apiextensions.JSONSchemaProps", 2, item) for item in value))
        case "schema-or-bool":
            return tagged(number, number_field(1, int(value)))
        case "schema-or-strings":
            return tagged(number, b"".join(tagged(2, item.encode()) for item in value))
    return tagged(number, value.encode())


def encode_value(name: str, number: int, value: Any) -> bytes:
    if name in notation.SCALARS or notation.find_enum(name):
        return encode_scalar(name, number, value)
    return encode_object(name, number, value)


def encode_object(key: str, number: int, obj: dict[str, Any]) -> bytes:
    return tagged(number, encode_fields(key, obj))


def encode_fields(key: str, obj: dict[str, Any]) -> bytes:
    out = b""
    for field in notation.find(key).fields:
        if field.inline:
            out += encode_object(field.type.name, field.number, obj)
        elif field.number and obj.get(field.name) is not None:
            out += encode_field(field, obj[field.name])
    return out


def encode_field(field: notation.Field, value: Any) -> bytes:
    layers = "".join(layer for layer in field.type.wrap if layer != "*")
    name = field.type.name
    if layers == "[]":
        return b"".join(encode_value(name, field.number, item) for item in value)
    if layers == "{}":
        entries = (tagged(1, key.encode()) + encode_value(name, 2, item) for key, item in value.items())
        return b"".join(tagged(field.number, entry) for entry in entries)
    if layers == "{}[]":
        lists = ((key, b"".join(encode_value(name, 1, item) for item in items)) for key, items in value.items())
        return b"".join(tagged(field.number, tagged(1, key.encode()) + tagged(2, items)) for key, items in lists)
    return encode_value(name, field.number, value)


def body(entry: notation.Type, obj: dict[str, Any]) -> bytes:
    api_version = f"{entry.group}/{entry.version}" if entry.group else entry.version
    meta = tagged(1, api_version.encode()) + tagged(2, entry.name.encode())
    return MAGIC + tagged(1, meta) + tagged(2, encode_fields(entry.key, obj))


KINDS = [entry for name in notation.PACKAGES for entry in notation.package(name).types.values() if entry.kind]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(KINDS))
def test_what_is_encoded_is_decoded(objects: Objects, data: st.DataObject, entry: notation.Type) -> None:
    obj = data.draw(objects(entry.key))
    decoded = decode(body(entry, obj))
    assert decoded.pop("kind") == entry.name
    decoded.pop("apiVersion")
    schema = BuiltinSchema(entry.key)
    assert schema.prune(decoded) == []
    for side in (obj, decoded):
        schema.default(side)
    assert decoded == obj
