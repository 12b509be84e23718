"""Metadata that every Kubernetes object carries, and the names by which a kind is served.

These are the only types of the vocabulary that the client machinery knows. Objects are frozen
``msgspec.Struct`` values: to change one, build another with ``msgspec.structs.replace``. A struct
names the fields that Echelon reads or writes; everything else (``managedFields`` first) is dropped
when an object is decoded, so an object is never written back whole: changes travel as patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

import msgspec

from echelon.api.fields import Field, Int64, Time


class Clock(Protocol):
    """Where the time comes from: the wall clock in production, a chosen moment in tests."""

    def now(self) -> datetime:
        """The current moment, in UTC."""


class SystemClock:
    """The wall clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@lru_cache(maxsize=256)
def format_time(moment: datetime) -> str:
    """A moment as Kubernetes writes ``metav1.Time``: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 moment, with or without a fraction of a second.

    Raises:
        ValueError: the text is not such a moment.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; want RFC 3339, for example 2026-01-31T08:00:00Z")
    return moment.astimezone(UTC)


class Resource(msgspec.Struct, frozen=True):
    """How a kind is addressed on an API server."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """``group/version``, or the bare version for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The request path of the collection, an object or a subresource; all namespaces when none is given."""
        parts = ["/apis/" + self.group if self.group else "/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """The object that another one belongs to and goes with."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """``metadata`` of an object; times stay text, as they are only passed on or compared."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    finalizers: Sequence[str] = ()
    owner_references: Sequence[OwnerReference] = ()


class ListMeta(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """``metadata`` of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


ConditionStatus = Literal["True", "False", "Unknown"]


class Condition(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """One observed aspect of an object (``metav1.Condition``)."""

    type: Annotated[
        str,
        Field(
            "What aspect this is.",
            max_length=316,
            pattern=(
                r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
                r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
            ),
        ),
    ]
    status: Annotated[ConditionStatus, Field("Whether it holds.")]
    reason: Annotated[
        str,
        Field(
            "Why, as a word for programs.",
            min_length=1,
            max_length=1024,
            pattern="^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        ),
    ]
    message: Annotated[str, Field("Why, as a sentence for people.", max_length=32768, required=True)] = ""
    last_transition_time: Annotated[Time, Field("When the status last changed.", required=True)] = ""
    observed_generation: Annotated[Int64, Field("Generation of the object that this was observed at.", minimum=0)] = 0


class LabelSelectorRequirement(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One expression of a label selector; ``values`` is empty for Exists and DoesNotExist."""

    key: Annotated[str, Field("The label.")]
    operator: Annotated[
        Literal["In", "NotIn", "Exists", "DoesNotExist"],
        Field("Whether the value must be one of the values or none of them, or the label be there or not."),
    ]
    values: Annotated[
        Sequence[str], Field("The values of In and NotIn; none for the other operators.", list_type="atomic")
    ] = ()


class LabelSelector(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A label query: all terms must hold; no term at all selects everything."""

    match_labels: Annotated[Mapping[str, str], Field("Labels and the values that they must have.")] = {}
    match_expressions: Annotated[Sequence[LabelSelectorRequirement], Field("Further terms.", list_type="atomic")] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _requirement_holds(term, labels) for term in self.match_expressions
        )


def _requirement_holds(term: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    match term.operator:
        case "In":
            return labels.get(term.key) in term.values
        case "NotIn":
            return labels.get(term.key) not in term.values
        case "Exists":
            return term.key in labels
        case "DoesNotExist":
            return term.key not in labels


class KubeObject(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of every typed kind. A subclass sets ``resource`` and adds ``spec`` and ``status``.

    ``api_version`` and ``kind`` are written from ``resource`` when an object is encoded
    (see ``encode``), so they need not be given when one is built.
    """

    resource: ClassVar[Resource]

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> tuple[str, str]:
        """Namespace (empty for cluster-scoped kinds) and name."""
        return self.metadata.namespace, self.metadata.name


T = TypeVar("T", bound=msgspec.Struct)


def encode(value: msgspec.Struct) -> bytes:
    """A struct as JSON, with ``apiVersion`` and ``kind`` filled in for a kind.

    ``msgspec.Raw`` fields go out as they are.
    """
    if isinstance(value, KubeObject):
        resource = value.resource
        value = msgspec.structs.replace(value, api_version=resource.api_version, kind=resource.kind)
    return msgspec.json.encode(value)


def to_dict(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as the JSON object it is on the wire: what ``encode`` gives, as plain dicts and lists.

    By way of JSON text, so that tuples become lists and ``msgspec.Raw`` fields what they stand for.
    """
    plain: dict[str, Any] = msgspec.json.decode(encode(value))
    return plain


def from_dict(type_: type[T], value: Mapping[str, Any]) -> T:
    """The struct that a JSON object stands for; raises ``msgspec.ValidationError``."""
    return msgspec.json.decode(msgspec.json.encode(value), type=type_)
