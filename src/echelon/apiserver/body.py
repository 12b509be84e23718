"""Reading request bodies: JSON, YAML or protobuf into an object, with the faults named as Kubernetes does.

A decoded object has its ``apiVersion`` and ``kind`` checked against what the path asks for. Fields
that stand twice are found only where someone wants to know: re-encoding tells cheaply whether
anything was lost, and only then the slow reader names the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from echelon.apiserver import json_syntax, protobuf
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.documents import TooDeep, parse_json, parse_yaml
from echelon.apiserver.errors import StatusError, bad_request, unsupported_media_type

JSON_TYPE = "application/json"
YAML_TYPE = "application/yaml"
PROTOBUF_TYPE = protobuf.MEDIA_TYPE
_BUILTIN_TYPES = (JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE)
_CUSTOM_TYPES = (JSON_TYPE, YAML_TYPE)
_SHOWN = 30


def media_type(content_type: str) -> str:
    """The media type of a Content-Type header, without parameters; JSON when the header is missing."""
    return content_type.partition(";")[0].strip().lower() or JSON_TYPE


def decode_object(body: bytes, content_type: str, definition: ResourceDefinition, version: str, kind: str) -> Object:
    """The object in a body, known to be of the kind and version that the path says.

    Raises:
        StatusError: 415 for another media type, 400 for anything that cannot be read as the kind.
    """
    type_ = media_type(content_type)
    accepted = _BUILTIN_TYPES if definition.builtin else _CUSTOM_TYPES
    if type_ not in accepted:
        raise unsupported_media_type(_BUILTIN_TYPES)
    obj = _parse(body, type_, kind)
    if not isinstance(obj, dict):
        raise bad_request(_unrecognised(kind, f"json: cannot unmarshal {go_kind(obj)} into Go value", body))
    return _checked(obj, definition, version, kind, body)


def decode_any(body: bytes, content_type: str) -> Object:
    """The object in a body, of whatever kind.

    Raises:
        StatusError: 415 for another media type, 400 for anything that is not an object.
    """
    type_ = media_type(content_type)
    if type_ not in _BUILTIN_TYPES:
        raise unsupported_media_type(_BUILTIN_TYPES)
    obj = _parse(body, type_, "object") if body else {}
    if not isinstance(obj, dict):
        raise bad_request(_unrecognised("object", f"json: cannot unmarshal {go_kind(obj)} into Go value", body))
    return obj


def _parse(body: bytes, type_: str, kind: str) -> Any:
    if type_ == PROTOBUF_TYPE:
        return protobuf.decode(body)
    if type_ == YAML_TYPE:
        try:
            return parse_yaml(body)
        except ValueError as error:
            raise bad_request(_unrecognised(kind, str(error), body)) from None
    try:
        return parse_json(body)
    except TooDeep as error:
        raise bad_request(_unrecognised(kind, str(error), body)) from None
    except orjson.JSONDecodeError:
        fault = f"couldn't get version/kind; json parse error: {json_syntax.explain(body)}"
        raise bad_request(_unrecognised(kind, fault, body)) from None


def _unrecognised(kind: str, fault: str, body: bytes) -> str:
    return f"the object provided is unrecognized (must be of type {kind}): {fault} ({_summary(body)})"


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    more = " ..." if len(body) > _SHOWN else ""
    if body[:1] == b"{":
        return body[:_SHOWN].decode("utf-8", "replace") + more
    return body[:_SHOWN].hex() + more


def go_kind(value: Any) -> str:
    """The JSON kind of a value, as Go's decoder names it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    if isinstance(value, dict):
        return "object"
    return "null" if value is None else "number"


def _checked(obj: Object, definition: ResourceDefinition, version: str, kind: str, body: bytes) -> Object:
    expected = f"{definition.group}/{version}" if definition.group else version
    if kind == "Scale":
        expected = "autoscaling/v1"
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str | None):
            found = go_kind(obj[field])
            fault = f"json: cannot unmarshal {found} into Go struct field .{field} of type string"
            raise bad_request(_unrecognised(kind, f"couldn't get version/kind; json parse error: {fault}", body))
    given, given_kind = obj.get("apiVersion") or expected, obj.get("kind") or kind
    if not definition.builtin:
        for field, name in (("kind", "Kind"), ("apiVersion", "apiVersion")):
            if not obj.get(field):
                fault = f"Object '{name}' is missing in '{body.decode('utf-8', 'replace')}'"
                raise bad_request(_unrecognised(kind, fault, body))
    if given != expected or given_kind != kind:
        raise bad_request(_mismatch(definition, given, given_kind, expected, kind))
    head: Object = {
        "apiVersion": expected,
        "kind": kind,
        "metadata": {} if obj.get("metadata") is None else obj["metadata"],
    }
    if not isinstance(head["metadata"], dict):
        found = go_kind(head["metadata"])
        raise cannot_be_handled(
            kind, version, f"json: cannot unmarshal {found} into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    head.update((key, value) for key, value in obj.items() if key not in head)
    return head


def check_kind(obj: Object, definition: ResourceDefinition, version: str) -> None:
    """Let a patched object say what it is, where the patch took that away.

    Raises:
        StatusError: 400 when the patch made it another kind or version.
    """
    expected = f"{definition.group}/{version}" if definition.group else version
    given, given_kind = obj.get("apiVersion") or expected, obj.get("kind") or definition.kind
    if given != expected or given_kind != definition.kind:
        raise bad_request(_mismatch(definition, str(given), str(given_kind), expected, definition.kind))
    obj["apiVersion"], obj["kind"] = expected, definition.kind


def cannot_be_handled(kind: str, version: str, why: str) -> StatusError:
    """400: the body is readable, but not as the kind."""
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')


def _mismatch(definition: ResourceDefinition, given: str, given_kind: str, expected: str, kind: str) -> str:
    version = given.rpartition("/")[2]
    if not definition.builtin:
        if given != expected:
            return f"the API version in the data ({given}) does not match the expected API version ({expected})"
        return f'{given_kind} in version "{version}" cannot be handled as a {kind}: kind must be {kind}'
    start = f'{given_kind} in version "{version}" cannot be handled as a {kind}: '
    if given == expected:
        package = definition.group.partition(".")[0] or "core"
        return start + f"converting ({version}.{given_kind}) to ({package}.{kind}): unknown conversion"
    return start + (
        f'no kind "{given_kind}" is registered for version "{given}" '
        'in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
    )


def duplicate_fields(body: bytes, decoded: Any) -> list[str]:
    """Dotted paths of fields that stand more than once in a JSON body."""
    if len(orjson.dumps(decoded)) == len(body):
        return []
    try:
        tree = json.loads(body, object_pairs_hook=list[tuple[str, Any]], parse_float=str)
    except ValueError:
        return []  # not JSON: YAML has no duplicates to speak of
    found: list[str] = []
    _find_duplicates(tree, "", found)
    return found


def _find_duplicates(tree: Any, path: str, found: list[str]) -> None:
    if not isinstance(tree, list):
        return
    if tree and all(isinstance(item, tuple) for item in tree):
        seen: set[str] = set()
        for key, value in tree:
            inner = f"{path}.{key}" if path else key
            if key in seen and inner not in found:
                found.append(inner)
            seen.add(key)
            _find_duplicates(value, inner, found)
        return
    for index, item in enumerate(tree):
        _find_duplicates(item, f"{path}[{index}]", found)


def field_warnings(unknown: Iterable[str], duplicates: Iterable[str]) -> list[str]:
    """What field validation has to say of a body."""
    return [f'unknown field "{path}"' for path in unknown] + [f'duplicate field "{path}"' for path in duplicates]


def refuse_strictly(kind: str, version: str, faults: Sequence[str]) -> None:
    """Raises: StatusError: 400 when there are faults (fieldValidation=Strict)."""
    if faults:
        raise cannot_be_handled(kind, version, "strict decoding error: " + ", ".join(faults))
