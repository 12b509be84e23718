"""Activity: who did what, when."""

from __future__ import annotations

from msgspec import Struct

from echelon.api.fleet import Gate, UpdateRun
from echelon.api.staged import ApprovalRequest, ClusterApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.explain.kinds import Approval, Run
from echelon.portal.managed import WRITTEN
from echelon.portal.page import Page, Region, Shown, Visit
from echelon.portal.views.activity import Act, activity
from echelon.portal.views.paging import Slice, page_of

PER_PAGE = 50


class Timeline(Struct, frozen=True, kw_only=True):
    """A page of what has happened; ``kind`` is what it is limited to."""

    page: Slice[Act]
    kinds: tuple[str, ...]
    kind: str


def show(visit: Visit) -> Shown:
    """What has happened, newest first."""
    rollouts: list[Run] = [*visit.list(ClusterStagedUpdateRun), *visit.list(StagedUpdateRun)]
    requests: list[Approval] = [*visit.list(ClusterApprovalRequest), *visit.list(ApprovalRequest)]
    acts = activity(
        [obj for kind in WRITTEN for obj in visit.list(kind)],
        visit.list(UpdateRun),
        visit.list(Gate),
        visit.list(AutoUpgradeProfile),
        rollouts,
        requests,
    )
    kind = visit.query.get("kind", "")
    left = [act for act in acts if kind in ("", act.kind)]
    kinds = tuple(sorted({act.kind for act in acts}))
    model = Timeline(page=page_of(left, visit.query, PER_PAGE), kinds=kinds, kind=kind)
    return Shown(
        title="Activity",
        template="activity/page.html",
        regions=(Region("activity", "activity/list.html", model),),
        model=model,
    )


PAGES = (
    Page(
        path="/activity",
        section="Activity",
        show=show,
        shows=(
            *WRITTEN,
            UpdateRun,
            Gate,
            AutoUpgradeProfile,
            ClusterStagedUpdateRun,
            StagedUpdateRun,
            ClusterApprovalRequest,
            ApprovalRequest,
        ),
    ),
)
