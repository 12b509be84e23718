"""What of a snapshot reaches a member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from echelon.placement.overrides.matching import Identity, Override
from echelon.placement.overrides.patching import Member, OverrideFailed
from echelon.placement.rendering import SIZE_LIMIT, Content, SnapshotView, TooLarge, render

from .overrides.values import cluster_override, config_map, delete, operation, override, patch, texts

MEMBER = Member("one", {"env": "prod"})
ENVELOPE = Identity("placement.kubernetes-fleet.io", "ResourceEnvelope", "app", "wrapped")


def envelope(*objects: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
        "kind": "ResourceEnvelope",
        "metadata": {"name": "wrapped", "namespace": "app"},
        "data": {obj["metadata"]["name"]: obj for obj in objects},
    }


def part(*objects: dict[str, Any], sub_index: int | None = None) -> SnapshotView:
    return SnapshotView("web-4-snapshot", "4", sub_index, texts(objects))


def rendered(*parts: SnapshotView, overrides: Sequence[Override] = (), enveloped: bool = True) -> Content:
    return render(parts, overrides, MEMBER, enveloped=enveloped)


def names_of(manifests: Sequence[msgspec.Raw]) -> list[str]:
    return [msgspec.json.decode(manifest)["metadata"]["name"] for manifest in manifests]


def test_what_is_not_touched_is_not_read() -> None:
    unreadable = SnapshotView("web-4-snapshot", "4", None, (msgspec.Raw(b"{}"),))
    assert rendered(unreadable, enveloped=False).parts == (unreadable,)


def test_only_what_an_override_hits_is_changed() -> None:
    found = part(config_map(), config_map(name="other"))
    (after,) = rendered(found, overrides=[override("a", patch(operation("add", "/data/x", "1")))]).parts
    assert msgspec.json.decode(after.manifests[0])["data"] == {"key": "value", "x": "1"}
    assert after.manifests[1] is found.manifests[1]


def test_deleted_objects_are_left_out() -> None:
    (after,) = rendered(part(config_map(), config_map(name="other")), overrides=[override("a", delete())]).parts
    assert names_of(after.manifests) == ["other"]


def test_an_envelope_leaves_its_part() -> None:
    found = rendered(part(config_map()), part(envelope(config_map(name="in")), config_map(name="b"), sub_index=0))
    assert [names_of(each.manifests) for each in found.parts] == [["settings"], ["b"]]
    (content,) = found.envelopes
    assert names_of(content.manifests) == ["in"]
    assert (content.identifier.name, content.identifier.namespace, content.index) == ("wrapped", "app", "4")


def test_overrides_are_for_what_is_wrapped_too() -> None:
    by_name = override("a", patch(operation("add", "/data/x", "1")))
    by_namespace = cluster_override("b", patch(operation("add", "/data/y", "2")))
    found = rendered(part(envelope(config_map())), overrides=[by_namespace, by_name])
    assert msgspec.json.decode(found.envelopes[0].manifests[0])["data"] == {"key": "value", "x": "1", "y": "2"}


def test_overrides_may_name_the_envelope_itself() -> None:
    gone = override("a", delete(), objects=[ENVELOPE])
    assert rendered(part(envelope(config_map())), overrides=[gone]) == Content((part(),))
    less = override("a", patch(operation("remove", "/data/settings")), objects=[ENVELOPE])
    found = rendered(part(envelope(config_map(), config_map(name="b"))), overrides=[less])
    assert names_of(found.envelopes[0].manifests) == ["b"]


def test_a_failing_override_fails_the_whole() -> None:
    with pytest.raises(OverrideFailed):
        rendered(part(envelope(config_map())), overrides=[override("a", patch(operation("remove", "/data/none")))])


def test_what_no_work_can_hold() -> None:
    large = override("a", patch(operation("add", "/data/x", "x" * SIZE_LIMIT)))
    with pytest.raises(TooLarge) as too_large:
        rendered(part(config_map()), overrides=[large])
    size = len(texts([config_map({"key": "value", "x": "x" * SIZE_LIMIT})])[0])
    assert str(too_large.value) == (
        f"what the member gets of resource snapshot web-4-snapshot is {size} bytes; "
        f"a Work holds at most {SIZE_LIMIT} bytes"
    )
    with pytest.raises(TooLarge, match="ResourceEnvelope wrapped"):
        rendered(part(envelope(config_map())), overrides=[large])
