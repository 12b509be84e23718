"""Events: what a controller tells users about an object, shown by ``kubectl describe``.

Best effort by design: ``event`` only takes a note and never waits; a task writes them, and what the
server refuses, or what is too much, is dropped and counted. The same event about the same object
within ``SERIES_SECONDS`` is one Event with a count, written at most every ``FLUSH_SECONDS``.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import structlog

from echelon.api.meta import Clock, KubeObject, Resource, SystemClock
from echelon.kube.client import Client
from echelon.kube.errors import ApiError, NotFound
from echelon.kube.kinds import Unstructured
from echelon.kube.metrics import EVENTS_DROPPED
from echelon.kube.patches import MergePatch

EVENT = Unstructured(Resource("events.k8s.io", "v1", "events", "Event", True))
EventType = Literal["Normal", "Warning"]

SERIES_SECONDS = 360.0  # an event that comes again after this is a new one
FLUSH_SECONDS = 10.0  # how long repetitions are collected before they are written
CAPACITY = 1000  # events remembered, and events waiting to be written
MAX_NOTE = 1024  # bytes that the API allows

log = structlog.get_logger(__name__)


class _What(msgspec.Struct, frozen=True):
    """What makes two events the same; ``regarding`` is the reference's JSON."""

    regarding: bytes
    type: EventType
    reason: str
    note: str
    action: str


class _Series(msgspec.Struct):
    """An event and its repetitions."""

    namespace: str
    name: str
    first: datetime
    last: datetime
    count: int = 1
    written: int = 0  # the count that the server knows
    queued: bool = True


class EventRecorder:
    """Records events as ``controller`` (a name like ``echelon.dev/rollout``), running as ``instance``."""

    def __init__(self, client: Client, controller: str, instance: str, *, clock: Clock | None = None) -> None:
        self._client = client
        self._controller = controller
        self._instance = instance
        self._clock = clock or SystemClock()
        self._series: OrderedDict[_What, _Series] = OrderedDict()
        self._queue: asyncio.Queue[tuple[_What, _Series]] = asyncio.Queue(CAPACITY)

    def event(
        self,
        regarding: KubeObject | Mapping[str, Any],
        type_: EventType,
        reason: str,
        note: str,
        *,
        action: str = "Reconcile",
    ) -> None:
        """Take an event about an object; ``reason`` is a word, ``note`` a sentence."""
        reference = _reference(regarding)
        note = note.encode()[:MAX_NOTE].decode(errors="ignore")
        what = _What(msgspec.json.encode(reference), type_, reason, note, action)
        now = self._clock.now()
        series = self._series.get(what)
        if series is None or (now - series.last).total_seconds() > SERIES_SECONDS:
            self._begin(what, reference, now)
            return
        series.count += 1
        series.last = now
        if not series.queued:
            series.queued = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._enqueue, what, series)

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            what, series = await self._queue.get()
            series.queued = False
            try:
                await self._write(what, series)
            except ApiError as error:
                EVENTS_DROPPED.inc()
                log.info("event not recorded", reason=what.reason, error=error.message)

    def _begin(self, what: _What, reference: Mapping[str, str], now: datetime) -> None:
        digest = hashlib.sha256(msgspec.json.encode(what) + _micro_time(now).encode()).hexdigest()[:16]
        name = f"{reference.get('name', '')[:230]}.{digest}"
        series = _Series(reference.get("namespace") or "default", name, now, now)
        self._series[what] = series
        self._series.move_to_end(what)
        if len(self._series) > CAPACITY:
            self._series.popitem(last=False)
        self._enqueue(what, series)

    def _enqueue(self, what: _What, series: _Series) -> None:
        try:
            self._queue.put_nowait((what, series))
        except asyncio.QueueFull:
            series.queued = False
            EVENTS_DROPPED.inc()

    async def _write(self, what: _What, series: _Series) -> None:
        count, content = series.count, self._content(what, series)
        if series.written:
            try:
                patch = MergePatch({"series": content["series"]})
                await self._client.patch(EVENT, (series.namespace, series.name), patch)
            except NotFound:  # events live for an hour
                await self._client.create(content, EVENT)
        else:
            await self._client.create(content, EVENT)
        series.written = count

    def _content(self, what: _What, series: _Series) -> dict[str, Any]:
        content: dict[str, Any] = {
            "apiVersion": EVENT.resource.api_version,
            "kind": EVENT.resource.kind,
            "metadata": {"name": series.name, "namespace": series.namespace},
            "eventTime": _micro_time(series.first),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": what.action,
            "reason": what.reason,
            "regarding": msgspec.json.decode(what.regarding),
            "note": what.note,
            "type": what.type,
        }
        if series.count > 1:
            content["series"] = {"count": series.count, "lastObservedTime": _micro_time(series.last)}
        return content


def _reference(obj: KubeObject | Mapping[str, Any]) -> dict[str, str]:
    """An ObjectReference, without the resource version, which would make every event another."""
    if isinstance(obj, KubeObject):
        metadata, resource = obj.metadata, obj.resource
        found = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": metadata.namespace,
            "name": metadata.name,
            "uid": metadata.uid,
        }
    else:
        plain = obj["metadata"]
        found = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
        found |= {field: plain.get(field, "") for field in ("namespace", "name", "uid")}
    return {field: value for field, value in found.items() if value}


def _micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
