"""What the server needs to know of a resource to serve it: built-in kinds and custom ones alike.

A ``ResourceDefinition`` is a value. Built-in kinds come from ``echelon.apiserver.builtin``, custom
ones are made from CustomResourceDefinition objects by ``echelon.apiserver.crd``; the registry holds
the current set and the handlers never ask which of the two a resource is, except where Kubernetes
itself differs (strategic merge patch, the wording of some errors), by ``builtin``.

Objects are plain dicts with ``apiVersion``, ``kind`` and ``metadata`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from echelon.apiserver.errors import FieldError

Object = dict[str, Any]


class SchemaLike(Protocol):
    """What the handlers ask of a compiled schema (``echelon.apiserver.schema.Schema``)."""

    @property
    def openapi(self) -> Mapping[str, Any]: ...

    def prune(self, obj: Object) -> list[str]:
        """Remove unknown fields in place; the dotted paths of what went."""

    def default(self, obj: Object) -> None:
        """Fill in defaults in place."""

    def validate(self, obj: Object, old: Object | None = None) -> list[FieldError]:
        """What is wrong with the object; with ``old``, transition rules are checked too."""


class Column(msgspec.Struct, frozen=True):
    """A column of the Table form. ``value`` gives the cell of an object."""

    name: str
    value: Callable[[Object], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


class Scale(msgspec.Struct, frozen=True):
    """Where the scale subresource finds its fields (JSON paths such as ``.spec.replicas``)."""

    spec_replicas: str
    status_replicas: str
    selector: str | None = None


class Conversion(msgspec.Struct, frozen=True):
    """How a version says what is stored in another form.

    ``read`` makes its form of the stored one, ``write`` the stored one of its own. Neither loses anything, both
    leave ``apiVersion`` to the caller and ``kind`` and ``metadata`` where they stand.
    """

    read: Callable[[Object], Object]
    write: Callable[[Object], Object]


class Version(msgspec.Struct, frozen=True):
    """One served version of a resource. Without a ``conversion`` it says everything as it is stored."""

    name: str
    schema: SchemaLike
    columns: Sequence[Column] = ()
    status: bool = False
    scale: Scale | None = None
    selectable_fields: Sequence[str] = ()
    conversion: Conversion | None = None
    deprecation_warning: str | None = None


class Hooks(Protocol):
    """Kind-specific behaviour. All methods work in place on the object about to be stored."""

    def prepare_create(self, obj: Object) -> None:
        """Set what the server owns on a new object (initial phase, generated fields)."""

    def prepare_update(self, obj: Object, old: Object) -> None:
        """Carry over what an update may not touch."""

    def validate(self, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
        """Rules beyond the schema. ``old`` is None on create; ``subresource`` is empty, status or scale."""


class NoHooks:
    """A kind without behaviour of its own."""

    def prepare_create(self, obj: Object) -> None:
        return None

    def prepare_update(self, obj: Object, old: Object) -> None:
        return None

    def validate(self, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
        return []


class ResourceDefinition(msgspec.Struct, frozen=True):
    """A resource with all its versions. ``versions`` are in the order of preference for discovery.

    With a ``storage_group`` the resource is another view of the objects of that group's resource of the same name:
    its versions convert, and whatever runs over stored objects leaves them to the other resource.
    """

    group: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool
    storage_version: str
    versions: Mapping[str, Version]
    short_names: Sequence[str] = ()
    categories: Sequence[str] = ()
    builtin: bool = False
    verbs: Sequence[str] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    hooks: Hooks = NoHooks()
    name_rule: str = "dns-subdomain"  # or dns-label, dns-1035-label, path-segment
    generation: bool = True  # whether spec changes raise metadata.generation
    virtual: bool = False  # create-only reviews: nothing is stored
    storage_group: str | None = None

    @property
    def keeper(self) -> str:
        """The group whose resource of this name the objects are kept as."""
        return self.group if self.storage_group is None else self.storage_group

    @property
    def keeps_objects(self) -> bool:
        """Whether there are stored objects that are this resource's own."""
        return not self.virtual and self.storage_group is None

    @property
    def bucket(self) -> str:
        """The name of the storage bucket: ``group/plural``."""
        return f"{self.keeper}/{self.plural}"

    @property
    def stored_api_version(self) -> str:
        """The ``apiVersion`` of stored objects."""
        return group_version(self.keeper, self.storage_version)


def group_version(group: str, version: str) -> str:
    """``group/version``, or the bare version for the core group."""
    return f"{group}/{version}" if group else version
