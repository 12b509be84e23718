"""Staged runs, approval requests and evictions."""

from __future__ import annotations

from collections.abc import Iterable

from echelon.api.conditions import APPROVAL_ACCEPTED, APPROVED, EXECUTED, VALID, find_condition
from echelon.api.eviction import ClusterResourcePlacementEviction
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation, moment, said, since
from echelon.explain.items import Part, State
from echelon.explain.kinds import Approval, Binding, Run
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.explain.waiting import Wait, scope_words, waits


def explain_run(run: Run, bindings: Iterable[Binding], access: Access) -> Explanation:
    """Where a staged run stands; ``bindings`` are those of its placement."""
    name, namespace = run.metadata.name, run.metadata.namespace
    item = outline(run, bindings)
    members = [part for stage in item.items for part in stage.items if part.part is Part.MEMBER]
    done = sum(member.state is State.DONE for member in members)
    facts = [f"{what_is_rolled_out(run)}, by strategy {run.spec.staged_rollout_strategy_name}"]
    if members:
        facts.append(f"{done} of {len(members)} members updated")
    found = list(waits(run, item, access=access))
    if item.state is State.FAILED:
        facts.append(f"failed: {item.note}")
        scope = scope_words(namespace)
        found = [
            Wait(
                what="nothing: it failed and does not go on",
                since=item.ended,
                unblock="start another run, or go back to what was last available everywhere",
                command=access.command("rollout", "rollback", name, *scope),
            )
        ]
    return Explanation(what=f"{run.resource.kind} {name}", state=item.state.value, facts=facts, waits=found)


def explain_approval(request: Approval, run: Run | None, access: Access) -> Explanation:
    """Whether a request was approved, and what its run makes of it; ``run`` is None when it is gone."""
    spec, conditions = request.spec, request.status.conditions
    approved, accepted = find_condition(conditions, APPROVED), find_condition(conditions, APPROVAL_ACCEPTED)
    facts = [f"of run {spec.parent_stage_rollout}, stage {spec.target_stage}"]
    title = f"{request.resource.kind} {request.metadata.name}"
    if accepted is not None and accepted.status == "True":
        why = "" if approved is None else said(approved)
        return Explanation(what=title, state="approved", facts=[*facts, f"note: {why}"] if why else facts)
    if run is None or outline(run).is_over:
        gone = "there is no such run any more" if run is None else f"the run is over ({outline(run).state.value})"
        return Explanation(what=title, state="not needed", facts=[*facts, gone])
    approve = access.command(
        "rollout", "approve", spec.parent_stage_rollout, spec.target_stage, *scope_words(request.metadata.namespace)
    )
    if approved is None or approved.status != "True":
        wait = Wait(
            what="somebody to approve it",
            since=moment(request.metadata.creation_timestamp),
            unblock="approve it",
            command=approve,
        )
        return Explanation(what=title, state="open", facts=facts, waits=[wait])
    if approved.observed_generation not in (0, request.metadata.generation):
        wait = Wait(
            what=f"an approval of its generation {request.metadata.generation}: that which it has is of another "
            f"({approved.observed_generation})",
            since=since(approved),
            unblock="approve it again",
            command=approve,
        )
        return Explanation(what=title, state="open", facts=facts, waits=[wait])
    wait = Wait(what="the hub to take note", since=since(approved))
    return Explanation(what=title, state="approved", facts=facts, waits=[wait])


def explain_eviction(eviction: ClusterResourcePlacementEviction, access: Access) -> Explanation:
    """What became of an eviction, which is judged once."""
    spec, title = eviction.spec, f"{eviction.resource.kind} {eviction.metadata.name}"
    facts = [f"placement {spec.placement_name} off member {spec.cluster_name}"]
    valid = find_condition(eviction.status.conditions, VALID)
    executed = find_condition(eviction.status.conditions, EXECUTED)
    if valid is None:
        wait = Wait(what="the hub to judge it", since=moment(eviction.metadata.creation_timestamp))
        return Explanation(what=title, state="new", facts=facts, waits=[wait])
    if valid.status == "False":
        return Explanation(what=title, state="refused", facts=[*facts, said(valid)])
    if executed is not None and executed.status == "True":
        return Explanation(what=title, state="carried out", facts=[*facts, said(executed)])
    blocked = Wait(
        what="nothing: an eviction is judged once, and its disruption budget did not allow it"
        + ("" if executed is None else f": {said(executed)}"),
        since=since(executed),
        unblock="change the budget or wait until more is available, then ask again",
        command=access.command("cluster", "drain", spec.cluster_name),
    )
    return Explanation(what=title, state="not carried out", facts=facts, waits=[blocked])
