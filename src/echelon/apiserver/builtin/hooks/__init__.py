"""Behaviour that kinds have of their own: what the server sets, what cannot change, what must hold."""

from __future__ import annotations

from echelon.apiserver.builtin.hooks.access import ACCESS_HOOKS
from echelon.apiserver.builtin.hooks.base import KindHooks
from echelon.apiserver.builtin.hooks.cluster import CLUSTER_HOOKS
from echelon.apiserver.builtin.hooks.configuration import CONFIGURATION_HOOKS
from echelon.apiserver.builtin.hooks.jobs import JOB_HOOKS
from echelon.apiserver.builtin.hooks.networking import NETWORKING_HOOKS
from echelon.apiserver.builtin.hooks.pods import POD_HOOKS
from echelon.apiserver.builtin.hooks.workloads import WORKLOAD_HOOKS
from echelon.apiserver.crd.hooks import CustomResourceDefinitionHooks
from echelon.apiserver.definitions import Hooks

HOOKS: dict[str, Hooks] = {
    **CONFIGURATION_HOOKS,
    **POD_HOOKS,
    **WORKLOAD_HOOKS,
    **JOB_HOOKS,
    **NETWORKING_HOOKS,
    **ACCESS_HOOKS,
    **CLUSTER_HOOKS,
    "apiextensions.CustomResourceDefinition": CustomResourceDefinitionHooks(),
}
"""By the kind's key in the table of types."""

__all__ = ["HOOKS", "KindHooks"]
