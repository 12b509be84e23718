"""The order in which the objects of a Work are applied.

Objects go in waves: within a wave side by side, wave after wave, so that a namespace is there
before what lives in it and a webhook comes last. Kinds outside the known groups, custom resources
above all, come at the very end. The waves are those of KubeFleet's work applier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

_WAVES: tuple[frozenset[tuple[str, str]], ...] = tuple(
    frozenset((group, kind) for group, kinds in wave.items() for kind in kinds.split())
    for wave in (
        {"": "Namespace", "scheduling.k8s.io": "PriorityClass"},
        {
            "": "ResourceQuota LimitRange ServiceAccount Secret ConfigMap PersistentVolume PersistentVolumeClaim",
            "networking.k8s.io": "NetworkPolicy IngressClass",
            "policy": "PodDisruptionBudget PodSecurityPolicy",
            "storage.k8s.io": "StorageClass",
            "apiextensions.k8s.io": "CustomResourceDefinition",
        },
        {"rbac.authorization.k8s.io": "ClusterRole Role"},
        {"rbac.authorization.k8s.io": "ClusterRoleBinding RoleBinding"},
        {
            "": "Service Pod ReplicationController",
            "apps": "DaemonSet ReplicaSet Deployment StatefulSet",
            "autoscaling": "HorizontalPodAutoscaler",
            "batch": "Job CronJob",
            "networking.k8s.io": "Ingress",
        },
        {
            "apiregistration.k8s.io": "APIService",
            "admissionregistration.k8s.io": "ValidatingWebhookConfiguration MutatingWebhookConfiguration",
        },
    )
)
_WAVE_OF = {kind: number for number, wave in enumerate(_WAVES) for kind in wave}
LAST_WAVE = len(_WAVES)

T = TypeVar("T")


def wave_of(group: str, kind: str) -> int:
    """The number of the wave of a kind, from 0; ``LAST_WAVE`` for every kind not known."""
    return _WAVE_OF.get((group, kind), LAST_WAVE)


def in_waves(items: Iterable[tuple[str, str, T]]) -> Sequence[Sequence[T]]:
    """Items given as (group, kind, item), in the waves they belong to; empty waves are left out."""
    waves: dict[int, list[T]] = {}
    for group, kind, item in items:
        waves.setdefault(wave_of(group, kind), []).append(item)
    return [waves[number] for number in sorted(waves)]
