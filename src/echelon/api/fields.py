"""How a struct of the vocabulary says what its fields mean and what they may hold.

The structs are the single source of the CustomResourceDefinitions: the type of a field gives its
schema, a field without a default is required, the default of one that has it is the server's too,
and a ``Field`` beside it carries what a type cannot say: the description that ``kubectl explain``
shows and the limits that the API server keeps::

    name: Annotated[str, Field("Name of the stage.", max_length=63, pattern="^[a-z0-9]+$")]

msgspec ignores these markers, and that is meant: what is stored has passed the server's validation,
perhaps an older one's, and a controller must be able to read it whatever today's limits are. Only
the server refuses; decoding never does for a limit's sake.

Several markers add up, the later one wins: ``Time`` and the like are types with a marker of their
own that still take a description where they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec


class Rule(msgspec.Struct, frozen=True):
    """A CEL rule (``x-kubernetes-validations``). A rule that names ``oldSelf`` judges changes only."""

    rule: str
    message: str


class Field(msgspec.Struct, frozen=True, eq=False):
    """What a field means and may hold, beyond its type.

    ``absent_from`` names the versions whose schema lacks the field, ``per_version`` the schema keys
    that differ in a version (None removes a key). Markers are compared by identity, as types that
    carry them must be hashable.
    """

    description: str = ""
    format: str | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_properties: int | None = None
    max_properties: int | None = None
    list_type: Literal["atomic", "set", "map"] | None = None
    list_map_keys: tuple[str, ...] = ()
    map_type: Literal["atomic", "granular"] | None = None
    embedded: bool = False
    required: bool | None = None
    rules: tuple[Rule, ...] = ()
    absent_from: tuple[str, ...] = ()
    per_version: Mapping[str, Mapping[str, Any]] = {}


class Value(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """Base of the parts of a kind: a frozen value, lists as tuples, camel case on the wire.

    The docstring describes the type in the schema, ``rules`` judge it wherever it stands.
    A subclass repeats ``frozen`` and ``kw_only``: mypy wants the one, msgspec does not inherit the other.
    """

    rules: ClassVar[tuple[Rule, ...]] = ()


Time = Annotated[str, Field(format="date-time")]
"""A moment, RFC 3339. Text, as it is mostly passed on; ``meta.parse_time`` reads it."""

Int32 = Annotated[int, Field(format="int32")]
Int64 = Annotated[int, Field(format="int64")]

IntOrPercent = int | str
"""A count, or a percentage such as ``"25%"``."""

Quantity = Annotated[
    int | str,
    Field(
        pattern=r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
    ),
]
"""A Kubernetes quantity: ``2``, ``"500m"``, ``"4Gi"``."""

Manifest = Annotated[msgspec.Raw, Field(embedded=True)]
"""A whole Kubernetes object, kept as the JSON text it came as.

Snapshots and Works carry many and large ones that are mostly passed on: text is copied from the one
to the other without being decoded or encoded. Who must look inside decodes that one object
(``msgspec.json.decode(manifest)``). A ``Raw`` keeps the buffer alive that it was decoded from; ``.copy()``
one that outlives its object.
"""

NO_MANIFEST = msgspec.Raw()
"""The default of a ``Manifest`` that may be missing; ``Manifest | None`` is beyond msgspec. Compare with ``is``."""

IMMUTABLE = "self == oldSelf"
"""The rule text of a field that may not change once set."""
