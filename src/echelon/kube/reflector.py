"""Keeps a sink up to date with the objects of a kind: list once, then watch for as long as it takes.

Four layers, each with one failure policy:

- ``run``: forever. After an attempt that was short, for whatever reason, it waits, longer each time;
  after one that was stable it goes on at once. This alone keeps a server that ends every watch
  at once from being flooded.
- ``_attempt``: one try to go on from the last resource version; if that has expired, from a new list.
- ``_list_and_watch``: a streaming list, or for servers without it a paged list and then a watch.
- ``_watch``: one stream into the sink, until the server ends it or it breaks.

The sink is told nothing of failures: it keeps what it has until the next list says otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Generic, Protocol, TypeVar

import structlog

from echelon.kube.backoff import Backoff
from echelon.kube.client import Client, EventType, Labels
from echelon.kube.errors import ApiError, BadRequest, Expired, Invalid, Undecodable
from echelon.kube.kinds import Key, Kind
from echelon.kube.metrics import RELISTS, WATCH_FAILURES

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

BACKOFF = Backoff(first=0.8, cap=30.0, jitter=1.0)
STABLE = 30.0  # seconds after which an attempt counts as a success, however it ends
WATCH_SECONDS = (300.0, 600.0)  # a watch lasts between these, so that not all clients return at once

log = structlog.get_logger(__name__)


class Sink(Protocol[T_contra]):
    """What a reflector fills."""

    def replace(self, objects: Sequence[T_contra], resource_version: str) -> None:
        """These are all the objects there are at a resource version."""

    def changed(self, type_: EventType, obj: T_contra) -> None:
        """An object was added, modified or deleted (then this is its last state)."""

    def advanced(self, resource_version: str) -> None:
        """Nothing more has changed up to a resource version."""


class Reflector(Generic[T]):
    """Fills a sink with the objects of a kind that match."""

    def __init__(
        self,
        client: Client,
        kind: Kind[T],
        sink: Sink[T],
        *,
        namespace: str | None = None,
        labels: Labels = None,
        fields: str = "",
        rng: Random | None = None,
    ) -> None:
        self._client = client
        self._kind = kind
        self._sink = sink
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._rng = rng or Random()
        self._position = ""  # the resource version up to which the sink knows everything; none: list first
        self._streams = True  # whether the server has streaming lists, until it says no
        self._log = log.bind(resource=kind.resource.plural, namespace=namespace or "")

    async def run(self) -> None:
        """Fill the sink until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            begun = loop.time()
            error = await self._attempt_or_error()
            if loop.time() - begun >= STABLE:
                failures, delay = 0, 0.0
            else:
                failures, delay = failures + 1, BACKOFF.delay(failures, self._rng)
            if error is not None:
                delay = max(delay, error.retry_after or 0.0)
                WATCH_FAILURES.labels(self._kind.resource.plural, error.reason).inc()
                self._log.warning("watch failed", reason=error.reason, error=error.message, retry_in=round(delay, 1))
            await asyncio.sleep(delay)

    async def _attempt_or_error(self) -> ApiError | None:
        try:
            await self._attempt()
        except ApiError as error:
            if isinstance(error, Expired | Undecodable) or _from_the_future(error):
                self._position = ""
            return error
        return None

    async def _attempt(self) -> None:
        if self._position:
            try:
                return await self._watch()
            except Expired as error:
                self._log.info("the watch has expired, listing anew", error=error.message)
                self._position = ""
        await self._list_and_watch()

    async def _list_and_watch(self) -> None:
        RELISTS.labels(self._kind.resource.plural).inc()
        if self._streams:
            try:
                await self._watch(initial_events=True)
            except (BadRequest, Invalid):
                self._streams = False
            if self._position:
                return
            self._streams = False  # it ended the stream before the end of the list: not one we can rely on
        listed = await self._client.list(
            self._kind, namespace=self._namespace, labels=self._labels, fields=self._fields
        )
        self._sink.replace(listed.items, listed.resource_version)
        self._position = listed.resource_version
        await self._watch()

    async def _watch(self, *, initial_events: bool = False) -> None:
        listing: dict[Key, T] | None = {} if initial_events else None
        async with self._client.watch(
            self._kind,
            resource_version=self._position,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
            initial_events=initial_events,
            timeout=self._rng.uniform(*WATCH_SECONDS),
        ) as events:
            async for event in events:
                if listing is None:
                    if event.object is None:
                        self._sink.advanced(event.resource_version)
                    else:
                        self._sink.changed(event.type, event.object)
                    self._position = event.resource_version
                elif event.initial_events_end:
                    self._sink.replace(list(listing.values()), event.resource_version)
                    self._position = event.resource_version
                    listing = None
                elif event.object is not None:
                    _collect(listing, self._kind.key(event.object), event.type, event.object)


def _collect(listing: dict[Key, T], key: Key, type_: EventType, obj: T) -> None:
    if type_ == "DELETED":
        listing.pop(key, None)
    else:
        listing[key] = obj


def _from_the_future(error: ApiError) -> bool:
    """Whether a server does not know our resource version yet: it was restored, or begun anew."""
    return any(cause.get("reason") == "ResourceVersionTooLarge" for cause in error.causes)
