"""How the objects of a kind are read and written: typed structs, or plain dicts.

Everything generic in this package (client, cache, controller) is typed by the objects it gives.
``client.get(MemberCluster, "one")`` gives a ``MemberCluster``; a kind that has no struct, or whose
every field matters, is named by ``Unstructured(resource)`` and gives dicts. Both are read-only by
contract: what the cache hands out is shared.

A cluster-scoped object is named by a string, a namespaced one by ``(namespace, name)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from echelon.api.meta import KubeObject, LabelSelector, ListMeta, ObjectMeta, Resource, to_dict
from echelon.kube.errors import Undecodable

T = TypeVar("T")
Key = tuple[str, str]  # namespace (empty for cluster-scoped kinds) and name
Name = str | Key

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


def key_of(name: Name) -> Key:
    """A name in its long form."""
    return ("", name) if isinstance(name, str) else name


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, as it is on the wire."""

    metadata: ListMeta
    items: list[T] | None = None


class Kind(Protocol[T]):
    """The objects of one resource, in one representation."""

    @property
    def resource(self) -> Resource: ...

    def decode(self, data: bytes | msgspec.Raw) -> T:
        """Read an object; raises Undecodable."""

    def decode_page(self, data: bytes) -> Page[T]:
        """Read a page of a list; raises Undecodable."""

    def plain(self, obj: T) -> dict[str, Any]:
        """The object as it is on the wire."""

    def meta(self, obj: T) -> ObjectMeta:
        """The object's metadata."""

    def key(self, obj: T) -> Key:
        """The object's namespace and name."""


class Structured(Generic[T]):
    """Objects as structs of one type. There is one of these a type: use ``kind_of``."""

    def __init__(self, type_: type[T]) -> None:
        if not issubclass(type_, KubeObject):
            raise TypeError(f"{type_.__name__} is not a kind: want a subclass of KubeObject, or Unstructured(resource)")
        self.resource: Resource = type_.resource
        self._object = msgspec.json.Decoder(type_)
        self._page = msgspec.json.Decoder(Page[type_])  # type: ignore[valid-type]

    def decode(self, data: bytes | msgspec.Raw) -> T:
        try:
            return self._object.decode(data)
        except msgspec.DecodeError as error:
            raise _undecodable(self.resource, bytes(data), error) from error

    def decode_page(self, data: bytes) -> Page[T]:
        try:
            return self._page.decode(data)
        except msgspec.DecodeError as error:
            raise Undecodable(f"list of {self.resource.plural}: {error}") from error

    def plain(self, obj: T) -> dict[str, Any]:
        assert isinstance(obj, KubeObject)
        return to_dict(obj)

    def meta(self, obj: T) -> ObjectMeta:
        return obj.metadata  # type: ignore[attr-defined,no-any-return]  # a KubeObject, as __init__ checked

    def key(self, obj: T) -> Key:
        return obj.key  # type: ignore[attr-defined,no-any-return]

    def __repr__(self) -> str:
        return f"Structured({self.resource.kind})"


class Unstructured(msgspec.Struct, frozen=True):
    """Objects as dicts."""

    resource: Resource

    def decode(self, data: bytes | msgspec.Raw) -> dict[str, Any]:
        try:
            return self._whole(_DICT.decode(data))
        except msgspec.DecodeError as error:
            raise _undecodable(self.resource, bytes(data), error) from error

    def decode_page(self, data: bytes) -> Page[dict[str, Any]]:
        try:
            page = _DICT_PAGE.decode(data)
        except msgspec.DecodeError as error:
            raise Undecodable(f"list of {self.resource.plural}: {error}") from error
        return Page(page.metadata, [self._whole(item) for item in page.items or ()])

    def plain(self, obj: dict[str, Any]) -> dict[str, Any]:
        return self._whole(obj)

    def meta(self, obj: dict[str, Any]) -> ObjectMeta:
        return msgspec.convert(obj.get("metadata", {}), ObjectMeta)

    def key(self, obj: dict[str, Any]) -> Key:
        metadata = obj["metadata"]
        return metadata.get("namespace", ""), metadata["name"]

    def _whole(self, obj: dict[str, Any]) -> dict[str, Any]:
        """With ``apiVersion`` and ``kind``, which the items of a list may lack."""
        if "kind" in obj and "apiVersion" in obj:
            return obj
        return {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **obj}


KindLike = type[T] | Kind[T]

_DICT = msgspec.json.Decoder(dict[str, Any])
_DICT_PAGE = msgspec.json.Decoder(Page[dict[str, Any]])


_structured: dict[type[Any], Structured[Any]] = {}


def kind_of(kind: KindLike[T]) -> Kind[T]:
    """The kind that a struct type stands for; kinds are passed through."""
    if not isinstance(kind, type):
        return kind
    found: Structured[T] | None = _structured.get(kind)
    if found is None:
        found = _structured[kind] = Structured(kind)
    return found


class _Identified(msgspec.Struct):
    metadata: ObjectMeta = ObjectMeta()


def _undecodable(resource: Resource, data: bytes, error: msgspec.DecodeError) -> Undecodable:
    try:
        found = msgspec.json.decode(data, type=_Identified).metadata
    except msgspec.DecodeError:
        return Undecodable(f"{resource.kind}: {error}")
    return Undecodable(f"{resource.kind} {found.namespace}/{found.name}: {error}".replace(" /", " "))


def selector_text(labels: LabelSelector | Mapping[str, str] | None) -> str:
    """A label selector as a query parameter; a mapping asks for equality with each of its entries."""
    if labels is None:
        return ""
    selector = labels if isinstance(labels, LabelSelector) else LabelSelector(match_labels=labels)
    terms = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for term in selector.match_expressions:
        match term.operator:
            case "In":
                terms.append(f"{term.key} in ({','.join(term.values)})")
            case "NotIn":
                terms.append(f"{term.key} notin ({','.join(term.values)})")
            case "Exists":
                terms.append(term.key)
            case "DoesNotExist":
                terms.append(f"!{term.key}")
    return ",".join(terms)


def version_number(resource_version: str) -> int:
    """A resource version as the number that it is; 0 when there is none, which is older than all."""
    return int(resource_version) if resource_version.isdecimal() else 0
