"""Good manners under load: what a server takes on, for how long, and what it counts of it.

A request that is about a resource is admitted before its rights are looked at: refused with 503 while
the server stops, with 429 when its user has too many under way, and cut off with 504 after a minute
or the shorter time its client asked for. Watches are let go on, but counted. Requests about the
server itself (health, metrics, discovery) are answered whatever the load.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import msgspec

from echelon.apiserver import metrics
from echelon.apiserver.deadlines import Deadlines, Visit, requested_seconds
from echelon.apiserver.errors import StatusError
from echelon.apiserver.fairness import Fairness, FairnessOptions, Share
from echelon.apiserver.metadata import Summary
from echelon.apiserver.registry import Served
from echelon.apiserver.request import Request
from echelon.apiserver.responses import Answer
from echelon.apiserver.storage import Keyspace

_NOWHERE = ("", "", "", "")


class TrafficOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How long a request may take, in seconds, and how much of it each user may have."""

    request_seconds: float = 60.0
    fairness: FairnessOptions = FairnessOptions()


class Passage:
    """One request on its way: since when, about what, and what it holds."""

    __slots__ = ("about", "began", "long_running", "seat", "visit", "watching")

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.began = time.perf_counter()
        self.about = _NOWHERE
        self.seat: Share | None = None
        self.watching: tuple[Share, str] | None = None
        self.long_running = False


class Traffic:
    """Admits the requests of one server and counts them."""

    def __init__(self, keyspace: Keyspace[Summary], options: TrafficOptions) -> None:
        self._keyspace = keyspace
        self._deadlines = Deadlines(options.request_seconds)
        self._limit = options.request_seconds
        self._fairness = Fairness(options.fairness)
        self._requests = metrics.Requests()
        self._watches: Counter[str] = Counter()
        self.stopping = False
        """Whether nothing new is taken on."""

    def begin(self) -> Passage:
        """A request has come; ``end`` must follow."""
        return Passage(self._deadlines.begin())

    async def admit(self, request: Request, passage: Passage) -> None:
        """Wait until it is the turn of the request's user.

        Raises:
            StatusError: 503 while the server stops, 429 when the user has too many requests waiting, 400 for a
                timeout that cannot be read.
        """
        if self.stopping:
            raise shutting_down()
        if request.verb == "watch":
            return
        if request.query:
            seconds = requested_seconds(request.query)
            if seconds is not None and seconds < self._limit:
                passage.visit.shorten(seconds)
        passage.seat = await self._fairness.enter(request.user)

    def found(self, passage: Passage, served: Served, subresource: str) -> None:
        """Note which resource a request is about. ``subresource`` must be one that it has."""
        definition = served.definition
        passage.about = (definition.group, served.version.name, definition.plural, subresource)

    def watch(self, request: Request, passage: Passage) -> None:
        """Let a request go on as a watch: it has all the time it wants.

        Raises:
            StatusError: 429 when the user has too many.
        """
        self._deadlines.end(passage.visit)
        passage.long_running = True
        group, _, plural, _ = passage.about
        resource = metrics.resource_of(f"{group}/{plural}")
        passage.watching = (self._fairness.watch(request.user), resource)
        self._watches[resource] += 1

    def release(self, passage: Passage) -> None:
        """A request is done with, answered or not."""
        self._deadlines.end(passage.visit)
        if passage.seat is not None:
            self._fairness.leave(passage.seat)
        if passage.watching is not None:
            share, resource = passage.watching
            self._fairness.unwatch(share)
            self._watches[resource] -= 1

    def count(self, request: Request, passage: Passage, code: int) -> None:
        """Count a request by its answer."""
        seconds = None if passage.long_running else time.perf_counter() - passage.began
        self._requests.answered(request.verb, passage.about, code, seconds)

    async def metrics(self) -> Answer:
        """The figures of the moment, as Prometheus reads them."""
        figures = metrics.Figures(
            self._requests.copy(),
            len(self._deadlines),
            self._fairness.waiting,
            dict(self._watches),
            self._keyspace.stats(),
            self._keyspace.store_stats(),
            self._keyspace.revision,
        )
        return Answer(200, await asyncio.to_thread(metrics.render, figures), metrics.CONTENT_TYPE)

    def close(self) -> None:
        self._deadlines.close()


def shutting_down() -> StatusError:
    """503: the server takes nothing new on."""
    return StatusError(503, "ServiceUnavailable", "the server is shutting down", details={}, retry_after=1)
