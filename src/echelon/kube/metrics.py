"""The Prometheus metrics of this package. Names of objects are never labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter(
    "echelon_kube_requests", "Requests to API servers; code 0 when there was no answer", ["verb", "code"]
)
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
