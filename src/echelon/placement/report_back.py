"""Brings the status of objects on a member back to the objects on the hub that they were made from.

For placements whose ``reportBackStrategy`` is Mirror with the destination OriginalResource. The agent puts the
status of each object into the Work; this controller writes it to the hub's object, whole. An object has one
status, so the placement must be on one member: while it is on several, nothing is written, and an event on
the placement says so; another one says when the hub may not write the status of an object. What came in an
envelope has no object of its own on the hub and is passed over.
"""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from echelon.api import names
from echelon.api.work import ManifestCondition, Work
from echelon.kube.cache import SharedCache
from echelon.kube.client import Client
from echelon.kube.controller import Request
from echelon.kube.errors import Forbidden, NotFound
from echelon.kube.events import EventRecorder
from echelon.kube.informer import Change
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import JsonPatch
from echelon.placement.content import HubContent
from echelon.placement.index import Related
from echelon.placement.scope import Placement

NOT_REPORTED = "StatusNotReportedBack"

log = structlog.get_logger(__name__)


class StatusReporter:
    """Reports back for the placements of one scope; its requests are Works."""

    def __init__(
        self,
        client: Client,
        cache: SharedCache,
        content: HubContent,
        related: Related,
        events: EventRecorder,
        *,
        namespaced: bool,
    ) -> None:
        self._client = client
        self._cache = cache
        self._content = content
        self._related = related
        self._events = events
        self._namespaced = namespaced

    async def reconcile(self, request: Request) -> None:
        work = self._cache.get(Work, request.key)
        if work is None or work.metadata.deletion_timestamp is not None or not self._is_reported(work):
            return
        placement = self._placement(work)
        if placement is None or placement.metadata.deletion_timestamp is not None:
            return
        members = {binding.spec.target_cluster for binding in self._related.bindings(placement.key)}
        if len(members) > 1:
            note = (
                f"The placement is on {len(members)} members; the status of its objects can come back to the hub's "
                "objects from one member only (reportBackStrategy.destination OriginalResource)"
            )
            self._events.event(placement, "Warning", NOT_REPORTED, note, action="ReportBack")
            return
        await self._content.ready()
        for manifest in work.status.manifest_conditions:
            try:
                await self._report(manifest)
            except Forbidden as error:
                self._events.event(placement, "Warning", NOT_REPORTED, str(error), action="ReportBack")
                raise  # tried again, each time later, until somebody gives the right

    def concerns(self, change: Change[Work]) -> bool:
        """Whether a change of a Work is one to look at; of most Works nothing is reported back."""
        return change.new is not None and self._is_reported(change.new)

    def _is_reported(self, work: Work) -> bool:
        strategy = work.spec.report_back_strategy
        labels = work.metadata.labels
        return (
            strategy is not None
            and strategy.type == "Mirror"
            and strategy.destination == "OriginalResource"
            and names.ENVELOPE_TYPE not in labels
            and (names.PARENT_PLACEMENT_NAMESPACE in labels) is self._namespaced
        )

    def _placement(self, work: Work) -> Placement | None:
        labels = work.metadata.labels
        namespace = labels.get(names.PARENT_PLACEMENT_NAMESPACE, "")
        return self._related.placement((namespace, labels.get(names.PARENT_PLACEMENT, "")))

    async def _report(self, manifest: ManifestCondition) -> None:
        """Write the status of one object, if it differs from what the hub's object has."""
        mirrored, of = manifest.back_reported_status, manifest.identifier
        resource = self._content.resource(of.group, of.version, of.kind)
        if mirrored is None or resource is None:
            return
        status: Any = msgspec.json.decode(mirrored.observed_status).get("status")
        present = self._content.get(resource, of.namespace, of.name)
        if present is None or present.get("status") == status:
            return
        try:
            patch = JsonPatch([{"op": "add", "path": "/status", "value": status}])
            await self._client.patch(Unstructured(resource), (of.namespace, of.name), patch, subresource="status")
        except NotFound:
            log.info("no status to report back to", kind=of.kind, namespace=of.namespace, name=of.name)
