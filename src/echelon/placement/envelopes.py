"""Envelopes opened: the objects that a ClusterResourceEnvelope or a ResourceEnvelope wraps.

Pure. What an envelope wraps never exists on the hub, so nobody has looked at it before: each entry
has to be an object that can be told by kind and name, and has to belong where its envelope is, else
the envelope is refused as a whole. The envelope itself does not go to members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from echelon.api.names import EnvelopeKind
from echelon.api.placement import EnvelopeIdentifier
from echelon.placement.overrides.matching import Identity, is_envelope

_CLUSTER = "ClusterResourceEnvelope"


class BadEnvelope(Exception):
    """An envelope whose content cannot be placed; the message is for the user."""


class Envelope(msgspec.Struct, frozen=True):
    """An envelope and the objects in it, in the order of their texts, the greatest first."""

    identifier: EnvelopeIdentifier
    objects: tuple[tuple[Identity, msgspec.Raw], ...]


class _Metadata(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    kind: Literal["ClusterResourceEnvelope", "ResourceEnvelope"]
    metadata: _Metadata
    data: Mapping[str, msgspec.Raw]


class _Wrapped(msgspec.Struct, frozen=True, rename="camel"):
    """The few fields of an object that name it."""

    api_version: str
    kind: str
    metadata: _Metadata


_envelope = msgspec.json.Decoder(_Envelope)
_wrapped = msgspec.json.Decoder(_Wrapped)


def opened(manifest: bytes | msgspec.Raw) -> Envelope:
    """An envelope that is kept as text, opened.

    Raises:
        BadEnvelope: an entry is no object, or does not belong into this envelope.
    """
    envelope = _envelope.decode(manifest)
    metadata = envelope.metadata
    identifier = EnvelopeIdentifier(name=metadata.name, namespace=metadata.namespace, type=envelope.kind)
    objects = [(_identity(key, text, identifier), text) for key, text in envelope.data.items()]
    return Envelope(identifier, tuple(sorted(objects, key=lambda item: bytes(item[1]), reverse=True)))


def kind_of_envelope(identifier: EnvelopeIdentifier) -> EnvelopeKind:
    """The kind of an envelope. One in a ConfigMap, which an identifier may name too, is never opened."""
    return cast(EnvelopeKind, identifier.type)


def _identity(key: str, text: msgspec.Raw, envelope: EnvelopeIdentifier) -> Identity:
    where = f"{key!r} of {_describe(envelope)}"
    try:
        found = _wrapped.decode(text)
    except msgspec.DecodeError as error:
        raise BadEnvelope(f"{where} is not a Kubernetes object: {error}") from error
    group = found.api_version.rpartition("/")[0]
    identity = Identity(group, found.kind, found.metadata.namespace, found.metadata.name)
    if not (found.api_version and found.kind and found.metadata.name):
        raise BadEnvelope(f"{where} is not a Kubernetes object: apiVersion, kind and metadata.name must not be empty")
    if is_envelope(identity):
        raise BadEnvelope(f"{where} is an envelope itself ({identity}); an envelope cannot hold another")
    if envelope.type == _CLUSTER and identity.namespace:
        raise BadEnvelope(
            f"{where} ({identity}) is in namespace {identity.namespace}; a {_CLUSTER} holds cluster-scoped objects only"
        )
    if envelope.type != _CLUSTER and identity.namespace != envelope.namespace:
        found_in = f"in namespace {identity.namespace}" if identity.namespace else "without a namespace"
        raise BadEnvelope(
            f"{where} ({identity}) is {found_in}; a {envelope.type} holds objects of its own namespace only, "
            f"{envelope.namespace}"
        )
    return identity


def _describe(envelope: EnvelopeIdentifier) -> str:
    where = f"{envelope.namespace}/{envelope.name}" if envelope.namespace else envelope.name
    return f"{envelope.type} {where}"
