"""The Prometheus metrics of this package. Names of objects are never labels.

Requests are counted by ``rest`` itself and only shown here: a command that asks a server one thing
should not have to load all of this.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from echelon.kube.rest import requests_made


class _Requests(Collector):
    """Shows the requests of this process."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        shown = CounterMetricFamily(
            "echelon_kube_requests",
            "Requests to API servers; code 0 when there was no answer",
            labels=["verb", "code"],
        )
        for (verb, code), count in list(requests_made.items()):
            shown.add_metric([verb, str(code)], count)
        yield shown


REGISTRY.register(_Requests())

RELISTS = Counter("echelon_kube_relists", "Times that a cache had to list a resource", ["resource"])
WATCH_FAILURES = Counter("echelon_kube_watch_failures", "Watches that ended in an error", ["resource", "reason"])
CACHED_OBJECTS = Gauge("echelon_kube_cached_objects", "Objects held in caches", ["resource"])
RECONCILES = Counter("echelon_kube_reconciles", "Reconciles by result", ["controller", "result"])
RECONCILE_SECONDS = Histogram(
    "echelon_kube_reconcile_seconds",
    "Duration of reconciles",
    ["controller"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
QUEUE_DEPTH = Gauge("echelon_kube_queue_depth", "Requests that wait for a worker", ["controller"])
IS_LEADER = Gauge("echelon_kube_leader", "Whether this process holds a lease", ["lease"])
EVENTS_DROPPED = Counter("echelon_kube_events_dropped", "Events that were not recorded")
