"""Taints of members, and the tolerations of a policy that outdo them."""

from __future__ import annotations

from collections.abc import Sequence

from echelon.api.cluster import MemberCluster, Taint
from echelon.api.policy import Toleration


def why_untolerated(member: MemberCluster, tolerations: Sequence[Toleration]) -> str | None:
    """The first taint of a member that keeps the placement off it, or None."""
    for taint in member.spec.taints:
        if not any(_tolerates(toleration, taint) for toleration in tolerations):
            return f"taint {taint.key}={taint.value}:{taint.effect} cannot be tolerated"
    return None


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in (None, taint.effect):
        return False
    if toleration.operator == "Exists":
        return toleration.key in ("", taint.key)
    return toleration.key == taint.key and toleration.value == taint.value
