"""What a server tells of itself at ``/metrics``, in Prometheus' text format.

A request costs one look-up and a few additions; everything else is done when somebody asks: the
figures are copied on the event loop and made into text in a thread. Labels are verbs, resources and
codes, never names of objects, users or paths, so their number is bounded by what is served.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from echelon.apiserver.storage import BucketStats, StoreStats

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds of the latency buckets, in seconds."""

_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"})
_REFUSED = {413: "too_large", 429: "too_many_requests", 503: "stopping", 504: "timeout", 507: "no_space"}

Labels = tuple[str, str, str, str, str]
"""Verb, group, version, resource and subresource; the last four empty where no resource was found."""


class Requests:
    """Counts of answered requests, by what they were about and how they were answered."""

    def __init__(self) -> None:
        self._series: dict[tuple[Labels, int], list[float]] = {}

    def answered(self, verb: str, about: tuple[str, str, str, str], code: int, seconds: float | None) -> None:
        """Count a request. ``seconds`` is None for one that was meant to last."""
        key = ((verb if verb in _VERBS else "other", *about), code)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = [0.0] * (len(BOUNDS) + 3)
        series[-2] += 1
        if seconds is not None:
            series[bisect_left(BOUNDS, seconds)] += 1
            series[-1] += seconds

    def copy(self) -> Mapping[tuple[Labels, int], Sequence[float]]:
        """The counts of the moment: latency buckets, the last without a bound, all requests, sum of seconds."""
        return {key: tuple(series) for key, series in self._series.items()}


class Figures(msgspec.Struct, frozen=True):
    """Everything that is told, as of one moment."""

    requests: Mapping[tuple[Labels, int], Sequence[float]]
    in_flight: int
    queued: int
    watches: Mapping[str, int]
    buckets: Mapping[str, BucketStats]
    store: StoreStats
    revision: int


def render(figures: Figures) -> bytes:
    """The figures as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(figures))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        figures = self._figures
        yield from _request_metrics(figures.requests)
        yield _gauge("apiserver_current_inflight_requests", "Requests under way, watches excluded.", figures.in_flight)
        yield _gauge("apiserver_queued_requests", "Requests that wait for their user's turn.", figures.queued)
        watches = GaugeMetricFamily("apiserver_longrunning_requests", "Open watches.", labels=["resource"])
        for resource, count in sorted(figures.watches.items()):
            watches.add_metric([resource], count)
        yield watches
        yield from _bucket_metrics(figures.buckets)
        yield from _store_metrics(figures)


def _request_metrics(requests: Mapping[tuple[Labels, int], Sequence[float]]) -> Iterator[Metric]:
    names = ["verb", "group", "version", "resource", "subresource"]
    total = CounterMetricFamily("apiserver_request", "Answered requests.", labels=[*names, "code"])
    refused = CounterMetricFamily("apiserver_refused_requests", "Requests refused for want of room.", labels=["why"])
    latency = HistogramMetricFamily(
        "apiserver_request_duration_seconds", "Time to the answer, watches excluded.", labels=names
    )
    refusals = dict.fromkeys(_REFUSED.values(), 0.0)
    buckets: dict[Labels, list[float]] = {}
    for (labels, code), series in sorted(requests.items()):
        total.add_metric([*labels, str(code)], series[-2])
        if code in _REFUSED:
            refusals[_REFUSED[code]] += series[-2]
        known = buckets.setdefault(labels, [0.0] * len(series))
        buckets[labels] = [a + b for a, b in zip(known, series, strict=True)]
    for labels, series in buckets.items():
        counts = accumulate(series[: len(BOUNDS) + 1])
        bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
        if any(series[:-2]):
            latency.add_metric(labels, list(zip(bounds, counts, strict=True)), series[-1])
    for why, count in refusals.items():
        refused.add_metric([why], count)
    yield from (total, latency, refused)


def _bucket_metrics(buckets: Mapping[str, BucketStats]) -> Iterator[Metric]:
    objects = GaugeMetricFamily("apiserver_storage_objects", "Objects held.", labels=["resource"])
    events = GaugeMetricFamily("apiserver_watch_ring_events", "Events kept for watches.", labels=["resource"])
    size = GaugeMetricFamily("apiserver_watch_ring_bytes", "Bytes of the events kept.", labels=["resource"])
    for name, stats in sorted(buckets.items()):
        resource = resource_of(name)
        objects.add_metric([resource], stats.objects)
        events.add_metric([resource], stats.ring_events)
        size.add_metric([resource], stats.ring_bytes)
    yield from (objects, events, size)


def _store_metrics(figures: Figures) -> Iterator[Metric]:
    store = figures.store
    yield _gauge("apiserver_storage_revision", "The newest revision.", figures.revision)
    yield _gauge("apiserver_storage_rows", "Rows of the file, of all servers that share it.", store.rows)
    yield _gauge("apiserver_storage_size_bytes", "Size of the file, WAL included.", store.bytes)
    yield _gauge("apiserver_storage_wal_bytes", "Size of the write-ahead log.", store.wal_bytes)
    yield _gauge("apiserver_storage_pending_writes", "Writes that are not durable yet.", store.under_way)
    batches = HistogramMetricFamily("apiserver_storage_batch_writes", "Writes that shared a commit.")
    counts = accumulate(store.batches.counts)
    bounds = [*(str(float(bound)) for bound in store.batches.bounds), "+Inf"]
    batches.add_metric([], list(zip(bounds, counts, strict=True)), store.batches.writes)
    yield batches


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(name, what, value=value)


def resource_of(bucket: str) -> str:
    """``deployments.apps`` for the bucket ``apps/deployments``, ``pods`` for ``/pods``."""
    group, _, plural = bucket.partition("/")
    return f"{plural}.{group}" if group else plural
