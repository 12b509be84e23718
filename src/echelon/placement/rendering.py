"""What of a resource snapshot reaches one member: overrides applied, envelopes opened.

Pure. The objects of a snapshot are JSON text and stay so, unread, unless an override is for one of
them or it may be an envelope. Each part of the snapshot is rendered by itself, as it makes a Work of
its own; so does each envelope, whose content leaves the part that it was in. Overrides are for what
an envelope wraps as for anything else, and for the envelope itself where they name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from echelon.api.placement import EnvelopeIdentifier
from echelon.placement.envelopes import Envelope, opened
from echelon.placement.identifiers import identifiers_of_manifests
from echelon.placement.overrides.matching import Identity, Override, hits, identity_of, is_envelope
from echelon.placement.overrides.patching import Member, overridden

# What an API server takes is bounded by what etcd stores; the rest is room for metadata and status.
SIZE_LIMIT = 1_415_578


class TooLarge(Exception):
    """Content that no Work can hold; the message is for the user."""


class SnapshotView(msgspec.Struct, frozen=True):
    """A part of a resource snapshot: ``sub_index`` is None for the master."""

    name: str
    index: str
    sub_index: int | None
    manifests: tuple[msgspec.Raw, ...]


class EnvelopeView(msgspec.Struct, frozen=True):
    """The content of an envelope in a part of a resource snapshot, which has this ``index``."""

    identifier: EnvelopeIdentifier
    index: str
    manifests: tuple[msgspec.Raw, ...]


class Content(msgspec.Struct, frozen=True):
    """What a member gets: one entry a Work."""

    parts: tuple[SnapshotView, ...]
    envelopes: tuple[EnvelopeView, ...] = ()


def render(parts: Iterable[SnapshotView], overrides: Sequence[Override], member: Member, *, enveloped: bool) -> Content:
    """What a member gets of a snapshot.

    Args:
        parts: all of the snapshot.
        overrides: those that the member's binding names, in the order in which they apply.
        member: who it is for.
        enveloped: whether there may be envelopes in it.

    Raises:
        OverrideFailed: an override cannot be applied.
        BadEnvelope: the content of an envelope cannot be placed.
        TooLarge: a Work of it could not be stored.
    """
    found = Content(tuple(parts))
    if overrides or enveloped:
        rendered = [_part(part, overrides, member) for part in found.parts]
        found = Content(
            tuple(part for part, _ in rendered),
            tuple(envelope for _, envelopes in rendered for envelope in envelopes),
        )
        _check_sizes(found)
    return found


def _part(
    part: SnapshotView, overrides: Sequence[Override], member: Member
) -> tuple[SnapshotView, Sequence[EnvelopeView]]:
    identities = [identity_of(identifier) for identifier in identifiers_of_manifests(part.manifests)]
    plain: list[msgspec.Raw] = []
    envelopes: list[EnvelopeView] = []
    for identity, text in _overridden(zip(identities, part.manifests, strict=True), overrides, member):
        if is_envelope(identity):
            envelopes.append(_envelope(opened(text), part.index, overrides, member))
        else:
            plain.append(text)
    return msgspec.structs.replace(part, manifests=tuple(plain)), envelopes


def _envelope(envelope: Envelope, index: str, overrides: Sequence[Override], member: Member) -> EnvelopeView:
    found = _overridden(envelope.objects, overrides, member)
    return EnvelopeView(envelope.identifier, index, tuple(text for _, text in found))


def _overridden(
    objects: Iterable[tuple[Identity, msgspec.Raw]], overrides: Sequence[Override], member: Member
) -> Iterator[tuple[Identity, msgspec.Raw]]:
    """The objects as the member gets them, without those that it does not get."""
    for identity, text in objects:
        hitting = [override for override in overrides if hits(override, identity)]
        if not hitting:
            yield identity, text
            continue
        result = overridden(msgspec.json.decode(text), identity, hitting, member)
        if result is not None:
            yield identity, msgspec.Raw(msgspec.json.encode(result))


def _check_sizes(content: Content) -> None:
    """A snapshot was small enough to be stored; an override can make a part of it too large."""
    named = [
        *((f"resource snapshot {part.name}", part.manifests) for part in content.parts),
        *((f"{each.identifier.type} {each.identifier.name}", each.manifests) for each in content.envelopes),
    ]
    for name, manifests in named:
        size = sum(len(bytes(manifest)) for manifest in manifests)
        if size > SIZE_LIMIT:
            raise TooLarge(f"what the member gets of {name} is {size} bytes; a Work holds at most {SIZE_LIMIT} bytes")
