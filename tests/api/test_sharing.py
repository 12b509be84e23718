"""Equal parts of decoded objects are one part, and nothing else of them changes."""

from __future__ import annotations

import msgspec

from echelon.api.meta import Condition
from echelon.api.sharing import shared_text
from echelon.api.work import Work


def work(name: str) -> Work:
    condition = {"type": "Applied", "status": "True", "reason": "Done", "message": "", "lastTransitionTime": ""}
    manifest = {"identifier": {"ordinal": 0, "name": "settings"}, "conditions": [condition]}
    return msgspec.json.decode(
        msgspec.json.encode(
            {
                "metadata": {"name": name, "namespace": "fleet-member-one"},
                "spec": {"workload": {"manifests": [{"kind": "ConfigMap"}]}},
                "status": {"conditions": [condition], "manifestConditions": [manifest]},
            }
        ),
        type=Work,
    )


def test_works_of_one_content_share_it() -> None:
    one, other = work("one"), work("two")
    assert one.metadata.name != other.metadata.name
    assert one.status.conditions is other.status.conditions
    assert one.status.conditions == (Condition("Applied", "True", "Done", ""),)
    assert one.spec.workload.manifests[0] is other.spec.workload.manifests[0]
    (mine,), (its,) = one.status.manifest_conditions, other.status.manifest_conditions
    assert mine.identifier is its.identifier


def test_large_text_is_no_longer_part_of_what_it_came_with() -> None:
    text = msgspec.Raw(b'"' + b"x" * 5000 + b'"')
    assert bytes(shared_text(text)) == bytes(text)
    assert shared_text(text) is not shared_text(text)
