"""Overview: the fleet at a glance, what goes on in it, what waits for somebody."""

from __future__ import annotations

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.staged import ApprovalRequest, ClusterApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun
from echelon.explain.kinds import Approval, Run
from echelon.portal.page import Page, Region, Shown, Visit
from echelon.portal.views.approvals import inbox
from echelon.portal.views.overview import overview
from echelon.portal.views.runs import newest_first, rollout_card, update_card


def show(visit: Visit) -> Shown:
    """The page."""
    rollouts: list[Run] = [*visit.list(ClusterStagedUpdateRun), *visit.list(StagedUpdateRun)]
    requests: list[Approval] = [*visit.list(ClusterApprovalRequest), *visit.list(ApprovalRequest)]
    found = inbox(
        visit.list(Gate),
        visit.list(UpdateRun),
        requests,
        rollouts,
        may_gates=False,
        may_requests=lambda request: False,
    )
    cards = newest_first([*map(update_card, visit.list(UpdateRun)), *map(rollout_card, rollouts)])
    model = overview(visit.list(MemberCluster), cards, visit.now)
    return Shown(
        title="Overview",
        template="overview/page.html",
        regions=(
            Region("health", "overview/health.html", model),
            *(Region(f"spread-{spread.query}", "overview/spread.html", spread) for spread in model.spreads),
            Region("asked", "overview/asked.html", found.waiting),
            Region("active", "overview/active.html", model),
            Region("map", "overview/map.html", model),
            Region("recent", "overview/recent.html", model),
        ),
    )


PAGES = (
    Page(
        path="/",
        section="Overview",
        show=show,
        shows=(
            MemberCluster,
            UpdateRun,
            ClusterStagedUpdateRun,
            StagedUpdateRun,
            Gate,
            ClusterApprovalRequest,
            ApprovalRequest,
        ),
    ),
)
