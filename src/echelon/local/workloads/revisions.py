"""The versions of a StatefulSet's or DaemonSet's template, kept as ControllerRevisions as kubectl expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from echelon.kube.kinds import Unstructured
from echelon.local.workloads.kinds import (
    REVISIONS,
    Object,
    content_hash,
    handed_down,
    labels_of,
    owner_reference,
)
from echelon.local.workloads.world import World

REVISION_HASH = "controller-revision-hash"


async def keep_revision(world: World, kind: Unstructured, owner: Object) -> str:
    """The name of the revision of a workload's present template, which is made, or made the newest, if need be.

    The oldest are deleted beyond ``revisionHistoryLimit``.
    """
    template = owner["spec"]["template"]
    name = f"{owner['metadata']['name']}-{content_hash(template)}"
    revisions = sorted(await world.owned(REVISIONS, owner), key=lambda found: found["revision"])
    present = next((found for found in revisions if found["metadata"]["name"] == name), None)
    newest = revisions[-1]["revision"] if revisions else 0
    if present is None:
        await world.create(REVISIONS, _revision(kind, owner, name, template, newest + 1))
    elif present["revision"] != newest:
        await world.change(REVISIONS, present, {**present, "revision": newest + 1})
    await _trim(world, owner, [found for found in revisions if found is not present])
    return name


async def _trim(world: World, owner: Object, others: Sequence[Object]) -> None:
    surplus = len(others) - owner["spec"].get("revisionHistoryLimit", 10)
    for found in others[: max(0, surplus)]:
        await world.delete(REVISIONS, found)


def _revision(kind: Unstructured, owner: Object, name: str, template: Object, number: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {
                **labels_of({"metadata": template.get("metadata") or {}}),
                REVISION_HASH: name.rpartition("-")[2],
            },
            "annotations": handed_down(owner),
            "ownerReferences": [owner_reference(kind, owner)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }
