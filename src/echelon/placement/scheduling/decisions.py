"""Decisions on members as users read them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from echelon.api.snapshot import ClusterDecision, ClusterScore

UNSCORED = ClusterScore(affinity_score=0, priority_score=0)


def score_of(affinity: int, topology: int) -> ClusterScore:
    return ClusterScore(affinity_score=affinity, priority_score=topology)


def picked(cluster: str, score: ClusterScore | None) -> ClusterDecision:
    """The member was chosen; without a score when it was named by the user."""
    scores = "" if score is None else f" ({_words(score)})"
    reason = f'Successfully scheduled resources for placement in "{cluster}"{scores}: picked by scheduling policy'
    return ClusterDecision(cluster_name=cluster, selected=True, reason=reason, cluster_score=score)


def outscored(cluster: str, score: ClusterScore) -> ClusterDecision:
    """The member fits, and others fit better."""
    reason = f'Cluster "{cluster}" does not score high enough ({_words(score)})'
    return ClusterDecision(cluster_name=cluster, selected=False, reason=reason, cluster_score=score)


def unschedulable(cluster: str, obstacle: str) -> ClusterDecision:
    """Something about the member is in the way."""
    return refused(cluster, f"ClusterUnschedulable, {obstacle}")


def not_eligible(cluster: str, obstacle: str) -> ClusterDecision:
    """The member was named by the user and cannot be used."""
    return refused(cluster, f'Cluster "{cluster}" is not eligible for resource placement yet: {obstacle}')


def not_found(cluster: str) -> ClusterDecision:
    """The user named a member that is not there."""
    return refused(cluster, f'Specified cluster "{cluster}" is not found')


def refused(cluster: str, reason: str) -> ClusterDecision:
    return ClusterDecision(cluster_name=cluster, selected=False, reason=reason)


def _words(score: ClusterScore) -> str:
    return f"affinity score: {score.affinity_score}, topology spread score: {score.priority_score}"


_AGO = re.compile(r"\d+\.\d\d minutes ago")


def timeless(reason: str | None) -> str | None:
    """A reason without how long ago something was."""
    return None if reason is None else _AGO.sub("", reason)


def settled(before: Sequence[ClusterDecision], now: Sequence[ClusterDecision]) -> list[ClusterDecision]:
    """The decisions of now, each as it was worded before when they differ in how long ago something was only.

    Else time alone would change the status of every policy, as long as any member is silent.
    """
    earlier = {decision.cluster_name: decision for decision in before}
    return [_settled(earlier.get(decision.cluster_name), decision) for decision in now]


def _settled(before: ClusterDecision | None, now: ClusterDecision) -> ClusterDecision:
    if before is None or timeless(before.reason) != timeless(now.reason):
        return now
    return msgspec.structs.replace(now, reason=before.reason)
