"""The table form of built-in kinds: the columns that ``kubectl get`` shows."""

from __future__ import annotations

from collections.abc import Sequence

from echelon.apiserver.builtin.columns.access import access_columns
from echelon.apiserver.builtin.columns.base import created_at
from echelon.apiserver.builtin.columns.cluster import cluster_columns
from echelon.apiserver.builtin.columns.core import core_columns
from echelon.apiserver.builtin.columns.networking import networking_columns
from echelon.apiserver.builtin.columns.workloads import workload_columns
from echelon.apiserver.clock import Clock
from echelon.apiserver.definitions import Column


def all_columns(clock: Clock) -> dict[str, Sequence[Column]]:
    """Columns by the kind's key in the table of types; kinds that are missing have Name and Created At."""
    return {
        **core_columns(clock),
        **workload_columns(clock),
        **networking_columns(clock),
        **access_columns(clock),
        **cluster_columns(clock),
    }


__all__ = ["all_columns", "created_at"]
