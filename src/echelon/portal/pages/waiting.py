"""What waits for somebody: counted beside the navigation on every page."""

from __future__ import annotations

from collections.abc import Sequence

from echelon.api.fleet import Gate
from echelon.api.meta import KubeObject
from echelon.api.staged import ApprovalRequest, ClusterApprovalRequest
from echelon.explain.kinds import Approval
from echelon.portal.page import Region
from echelon.portal.users import User
from echelon.portal.views import approvals

WAITING: Sequence[type[KubeObject]] = (Gate, ClusterApprovalRequest, ApprovalRequest)


def waiting_region(user: User) -> Region:
    """How many approvals wait for somebody."""
    requests: list[Approval] = [*user.list(ClusterApprovalRequest), *user.list(ApprovalRequest)]
    return Region("waiting", "waiting.html", approvals.count(user.list(Gate), requests))
