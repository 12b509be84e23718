"""Approvals: one inbox for gates of update runs and approval requests of staged rollouts."""

from __future__ import annotations

from msgspec.structs import replace

from echelon.api.conditions import APPROVED, find_condition, set_condition
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import Condition, format_time
from echelon.api.staged import ApprovalRequest, ClusterApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun
from echelon.explain.kinds import Approval, Run, kinds_of
from echelon.kube.errors import Conflict
from echelon.portal.page import Action, Done, Form, Outcome, Page, Refused, Region, Shown, Visit
from echelon.portal.rights import to
from echelon.portal.views.approvals import inbox

REASON = "ApprovedInPortal"


def show(visit: Visit) -> Shown:
    """What waits, and what was approved lately."""
    requests: list[Approval] = [*visit.list(ClusterApprovalRequest), *visit.list(ApprovalRequest)]
    rollouts: list[Run] = [*visit.list(ClusterStagedUpdateRun), *visit.list(StagedUpdateRun)]
    model = inbox(
        visit.list(Gate),
        visit.list(UpdateRun),
        requests,
        rollouts,
        may_gates=visit.may("patch", Gate, "status"),
        may_requests=lambda request: visit.may("patch", type(request), "status"),
    )
    return Shown(
        title="Approvals",
        template="approvals/page.html",
        regions=(
            Region("inbox", "approvals/inbox.html", model.waiting),
            Region("given", "approvals/given.html", model.given),
        ),
    )


async def approve_gate(visit: Visit, form: Form) -> Outcome:
    """Open a gate in the user's name."""
    name = visit.names["name"]
    while True:
        gate = await visit.client.get(Gate, name)
        if gate.status.state != "Pending":
            raise Refused([f"The gate is {gate.status.state} already."])
        status = replace(
            gate.status,
            state="Completed",
            completed_by=visit.user.name,
            completed_time=format_time(visit.now),
            message=form.one("note"),
        )
        try:
            await visit.client.patch_status(gate, replace(gate, status=status), lock=True)
        except Conflict:
            continue
        return Done(f"Approved: run {gate.spec.target.update_run} goes on.")


async def approve_request(visit: Visit, form: Form) -> Outcome:
    """Approve what a staged rollout asks for. The condition has no place for a name; it is put into the note."""
    namespace, name = visit.names.get("namespace", ""), visit.names["name"]
    kind = kinds_of(namespace).approval
    while True:
        request: Approval = await visit.client.get(kind, (namespace, name))
        present, generation = find_condition(request.status.conditions, APPROVED), request.metadata.generation
        if present is not None and present.status == "True" and present.observed_generation in (0, generation):
            raise Refused(["It was approved already."])
        note = form.one("note")
        message = f"{note} ({visit.user.name})" if note else f"approved by {visit.user.name}"
        condition = Condition(APPROVED, "True", REASON, message, observed_generation=generation)
        conditions = set_condition(request.status.conditions, condition, visit.now)
        status = replace(request.status, conditions=conditions)
        try:
            await visit.client.patch_status(request, replace(request, status=status), lock=True)
        except Conflict:
            continue
        return Done(f"Approved: rollout {request.spec.parent_stage_rollout} goes on.")


PAGES = (
    Page(
        path="/approvals",
        section="Approvals",
        show=show,
        shows=(Gate, UpdateRun, ClusterApprovalRequest, ApprovalRequest, ClusterStagedUpdateRun, StagedUpdateRun),
        asks=(
            to("patch", Gate, "status"),
            to("patch", ClusterApprovalRequest, "status"),
            to("patch", ApprovalRequest, "status"),
        ),
    ),
)
ACTIONS = (
    Action(path="/approvals/gates/{name}", act=approve_gate),
    Action(path="/approvals/requests/{name}", act=approve_request),
    Action(path="/approvals/requests/{namespace}/{name}", act=approve_request),
)
