"""Who did what, when: as far as objects say so.

The hub keeps, of each object, which program last wrote to it, not which person; older writes of the same program are
forgotten. People are named where an object names them: who opened a gate, and whoever acted by way of the portal or
the ARM face. What is deleted is gone from here too; the audit log of the API server has all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from echelon.api import names
from echelon.api.conditions import APPROVED, find_condition
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.meta import parse_time
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.explain.items import State
from echelon.explain.kinds import Approval, Run
from echelon.explain.outline import outline, what_is_rolled_out
from echelon.portal.managed import Write, Written
from echelon.portal.notes import CREATED_BY, MODIFIED_AT, MODIFIED_BY
from echelon.portal.views.approvals import rollout_path
from echelon.portal.views.runs import upgrade_words

PATHS = {
    "UpdateRun": "/runs",
    "UpdateStrategy": "/strategies",
    "AutoUpgradeProfile": "/profiles",
    "MemberCluster": "/members",
    "ClusterResourcePlacement": "/placements",
    "ResourcePlacement": "/placements",
    "ClusterStagedUpdateRun": "/rollouts",
    "StagedUpdateRun": "/rollouts",
}
_KINDS = {
    "UpdateRun": "update run",
    "UpdateStrategy": "strategy",
    "AutoUpgradeProfile": "profile",
    "ReleaseCatalog": "release catalogue",
    "MemberCluster": "member",
    "ClusterResourcePlacement": "placement",
    "ResourcePlacement": "placement",
    "ClusterStagedUpdateRun": "staged rollout",
    "StagedUpdateRun": "staged rollout",
    "ClusterStagedUpdateStrategy": "rollout strategy",
    "StagedUpdateStrategy": "rollout strategy",
}
_PROGRAMS = {"echelon-portal": "the portal", "echelon-arm": "the ARM face", "echelon-cli": "echelon"}
_CONTROLLERS = frozenset(
    {
        "echelon-hub",
        "echelon-up",
        "echelon-providers",
        names.PLACEMENT_MANAGER,
        names.MEMBER_MANAGER,
        names.OVERRIDE_MANAGER,
        names.STAGED_RUN_MANAGER,
        names.AGENT_MANAGER,
    }
)
_SAME = timedelta(seconds=1)


class Act(Struct, frozen=True, kw_only=True):
    """Something that was done or has happened. ``who`` is a person, ``via`` a program; each may be unknown."""

    when: datetime
    what: str
    kind: str
    name: str
    path: str = ""
    who: str = ""
    via: str = ""
    note: str = ""
    tone: str = "idle"


def activity(
    written: Iterable[Written],
    runs: Iterable[UpdateRun],
    gates: Iterable[Gate],
    profiles: Iterable[AutoUpgradeProfile],
    rollouts: Iterable[Run],
    requests: Iterable[Approval],
) -> list[Act]:
    """All that is known, newest first."""
    acts = [
        *(act for obj in written for act in _writes(obj)),
        *(act for run in runs for act in _of_run(run)),
        *(act for gate in gates for act in _of_gate(gate)),
        *(act for profile in profiles for act in _of_profile(profile)),
        *(act for rollout in rollouts for act in _of_rollout(rollout)),
        *(act for request in requests for act in _of_request(request)),
    ]
    acts.sort(key=lambda act: (act.when, act.kind, act.name, act.what), reverse=True)
    return acts


def _writes(obj: Written) -> Iterator[Act]:
    """Who made an object, and who changed it last by way of each program."""
    metadata, annotations = obj.metadata, obj.metadata.annotations
    kind = obj.resource.kind
    made = _time(metadata.creation_timestamp)
    if made is None:
        return
    path = _path(kind, metadata.namespace, metadata.name)
    first = min(metadata.managed_fields, key=lambda write: write.time or "~", default=Write())
    word = "joined" if kind == "MemberCluster" else "made"
    yield Act(
        when=made,
        what=word,
        kind=_KINDS[kind],
        name=metadata.name,
        path=path,
        who=annotations.get(CREATED_BY, ""),
        via=_program(first.manager),
    )
    for write in metadata.managed_fields:
        when = _time(write.time)
        if when is None or write.manager in _CONTROLLERS or when - made <= _SAME:
            continue
        noted = _time(annotations.get(MODIFIED_AT))
        mine = noted is not None and abs(noted - when) <= _SAME
        yield Act(
            when=when,
            what="changed",
            kind=_KINDS[kind],
            name=metadata.name,
            path=path,
            who=annotations.get(MODIFIED_BY, "") if mine else "",
            via=_program(write.manager),
        )
    if (leaving := _time(metadata.deletion_timestamp)) is not None:
        yield Act(when=leaving, what="is being deleted", kind=_KINDS[kind], name=metadata.name, path=path)


def _path(kind: str, namespace: str, name: str) -> str:
    if kind not in PATHS:
        return ""
    return f"{PATHS[kind]}/{namespace}/{name}" if namespace else f"{PATHS[kind]}/{name}"


def _program(manager: str) -> str:
    """What people call a program that writes."""
    if manager in _CONTROLLERS:
        return "the hub"
    if manager.startswith("kubectl"):
        return "kubectl"
    return _PROGRAMS.get(manager, manager)


def _of_run(run: UpdateRun) -> Iterator[Act]:
    status, name = run.status, run.metadata.name
    path, what = f"/runs/{name}", upgrade_words(run.spec.managed_cluster_update)
    if (began := _time(status.start_time)) is not None:
        yield Act(when=began, what="began", kind="update run", name=name, path=path, note=what)
    ended, tone = _time(status.completed_time), {"Completed": "good", "Failed": "bad"}.get(status.state, "idle")
    if ended is not None:
        note = status.error.message if status.error is not None else ""
        yield Act(when=ended, what=status.state.lower(), kind="update run", name=name, path=path, note=note, tone=tone)
    for stage in status.stages:
        for group in stage.groups:
            for member in group.members:
                failed = _time(member.completed_time)
                if member.state == "Failed" and failed is not None:
                    yield Act(
                        when=failed,
                        what=f"failed in update run {name}",
                        kind="member",
                        name=member.name,
                        path=f"/members/{member.name}",
                        note=member.message or (member.error.message if member.error is not None else ""),
                        tone="bad",
                    )


def _of_gate(gate: Gate) -> Iterator[Act]:
    when, target = _time(gate.status.completed_time), gate.spec.target
    if when is not None:
        yield Act(
            when=when,
            what="opened" if gate.status.state == "Completed" else "skipped",
            kind="gate",
            name=f"{gate.spec.display_name or 'Approval'} of {target.update_run}",
            path=f"/runs/{target.update_run}",
            who=gate.status.completed_by,
            note=gate.status.message,
            tone="good" if gate.status.state == "Completed" else "idle",
        )


def _of_profile(profile: AutoUpgradeProfile) -> Iterator[Act]:
    status, name = profile.status, profile.metadata.name
    if (when := _time(status.last_triggered_at)) is not None:
        failed = status.last_trigger_status == "Failed"
        note = status.last_trigger_error.message if status.last_trigger_error is not None else ""
        yield Act(
            when=when,
            what="could make no run" if failed else f"made {status.last_update_run or 'a run'}",
            kind="profile",
            name=name,
            path=f"/profiles/{name}",
            note=note or status.last_trigger_message,
            tone="bad" if failed else "good",
        )


def _of_rollout(run: Run) -> Iterator[Act]:
    item, name = outline(run), run.metadata.name
    if item.is_over and item.ended is not None:
        yield Act(
            when=item.ended,
            what=item.state.value,
            kind="staged rollout",
            name=name,
            path=rollout_path(run.metadata.namespace, name),
            note=item.note or what_is_rolled_out(run),
            tone="bad" if item.state is State.FAILED else "good",
        )


def _of_request(request: Approval) -> Iterator[Act]:
    approved = find_condition(request.status.conditions, APPROVED)
    when = None if approved is None or approved.status != "True" else _time(approved.last_transition_time)
    if approved is not None and when is not None:
        yield Act(
            when=when,
            what="approved",
            kind="approval",
            name=request.metadata.name,
            path=rollout_path(request.metadata.namespace, request.spec.parent_stage_rollout),
            note=approved.message,
            tone="good",
        )


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
