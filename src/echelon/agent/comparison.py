"""Comparing a manifest with the object that the member has.

A partial comparison asks the member itself: what would become of the object if the manifest were
applied by force? Whatever would change differs; what the manifest does not say does not count, and
neither do two ways of writing the same value. When the member refuses the question (the manifest
would be invalid there, an immutable field, say), all fields are compared instead, and the result is
degraded. A full comparison compares all fields from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from echelon.agent import server_side
from echelon.agent.diff import WHOLE_OBJECT, comparable, details, differences, is_secret
from echelon.agent.manifests import Manifest
from echelon.api.placement import ComparisonOption, PatchDetail
from echelon.kube.client import Client
from echelon.kube.errors import Invalid
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import ApplyPatch


class Incomparable(Exception):
    """Two objects could not be compared; the message says why."""


class Comparison(msgspec.Struct, frozen=True):
    """What differs; nothing when the object is as the manifest says."""

    details: tuple[PatchDetail, ...]
    degraded: bool = False


async def compare(
    client: Client,
    kind: Unstructured,
    manifest: Manifest,
    live: Mapping[str, Any] | None,
    option: ComparisonOption,
) -> Comparison:
    """How the object differs from the manifest; None is an object that is not there.

    Raises:
        ApiError: the member could not be asked.
        Incomparable: as ``compare_whole``.
    """
    if live is None:
        return Comparison((WHOLE_OBJECT,))
    if option == "FullComparison":
        return compare_whole(manifest.content, live)
    key = (manifest.namespace, manifest.name)
    question = ApplyPatch(server_side.configuration(manifest, None), force=True)
    try:
        wanted = await client.patch(kind, key, question, dry_run=True)
    except Invalid:
        return msgspec.structs.replace(compare_whole(manifest.content, live), degraded=True)
    if wanted["metadata"].get("resourceVersion") != live["metadata"].get("resourceVersion"):
        live = await client.get(kind, key)  # the member knows a newer one
    return compare_whole(wanted, live)


def compare_whole(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> Comparison:
    """All fields in which two objects differ.

    Raises:
        Incomparable: one of them is of a shape that no object of Kubernetes has, or is nested too deeply.
    """
    try:
        found = differences(comparable(wanted), comparable(live))
        return Comparison(details(found, secret=is_secret(live)))
    except (TypeError, ValueError, RecursionError) as error:
        raise Incomparable(f"the objects cannot be compared: {error}") from error
