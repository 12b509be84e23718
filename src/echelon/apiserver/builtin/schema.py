"""Schemas of built-in kinds: what a body may hold, and what the server makes of it.

Kubernetes reads the bodies of built-in kinds into Go structs, which shows in three ways that differ
from custom resources, and this module has the same effect:

* A value of the wrong type is a bad request (400) with a Go decoding error, not a field error.
* ``null`` means absent, and a zero value in a field without a pointer means absent too, while
  structs without a pointer are always there. ``default`` brings an object into this settled form.
* Times, quantities and defaults are normalised on the way.

``prune`` only removes unknown fields, so that the body of an apply request keeps the empty values
that its author names. A schema is compiled from the table on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from echelon.apiserver.builtin import notation, openapi
from echelon.apiserver.builtin.compiler import Mismatch, ObjectNode, object_node
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, StatusError, bad_request


class BuiltinSchema:
    """The schema of one built-in kind; ``key`` as in the table, such as ``apps.Deployment``."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"BuiltinSchema({self.key!r})"

    @cached_property
    def _type(self) -> notation.Type:
        return notation.find(self.key)

    @cached_property
    def _node(self) -> ObjectNode:
        return object_node(self.key)

    @property
    def component(self) -> str:
        """The name under which OpenAPI publishes the kind (see ``openapi.components``)."""
        return self._type.component

    @property
    def openapi(self) -> Mapping[str, Any]:
        """The schema with all types in place, for walking next to a value; not for publishing."""
        return openapi.structural(self.key)

    def prune(self, obj: Object) -> list[str]:
        """Remove unknown fields in place.

        Raises:
            StatusError: 400, when a value is of the wrong type.
        """
        unknown: list[str] = []
        try:
            self._node.prune(obj, unknown)
        except Mismatch as fault:
            raise self._refused(fault) from None
        return unknown

    def default(self, obj: Object) -> None:
        """Bring the object into its settled form in place: nothing empty that means absent, all defaults filled in.

        Raises:
            StatusError: 400, when a value is of the wrong type.
        """
        try:
            settled = self._node.settle(obj)
        except Mismatch as fault:
            raise self._refused(fault) from None
        if settled is not obj:
            obj.clear()
            obj.update(settled)

    def validate(self, obj: Object, old: Object | None = None) -> list[FieldError]:
        """Missing names and values outside their enumeration; not of metadata and status."""
        faults: list[FieldError] = []
        for field in self._node.fields.values():
            value = obj.get(field.name)
            if field.name not in {"metadata", "status"}:
                field.check(value, field.name, faults)
        return faults

    def _refused(self, fault: Mismatch) -> StatusError:
        kind = self._type.name
        return bad_request(f'{kind} in version "{self._type.version}" cannot be handled as a {kind}: {fault}')
