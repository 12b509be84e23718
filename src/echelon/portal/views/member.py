"""One member: its properties, what is placed on it, what differs there, its upgrades, its history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from echelon.api import names
from echelon.api.binding import ClusterResourceBinding, ResourceBinding
from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun
from echelon.api.meta import parse_time
from echelon.api.upgrade import ClusterUpgrade
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation
from echelon.explain.members import explain_member
from echelon.explain.placements import explain_binding
from echelon.portal.views.members import Row, heartbeat_of, row_of

Binding = ClusterResourceBinding | ResourceBinding
_STATE_TONES = {"Completed": "good", "Failed": "bad", "Running": "busy", "Pending": "warn", "Skipped": "skipped"}
_STATE_WORDS = {"NotStarted": "not started"}
_UPGRADES = 10


class Placed(Struct, frozen=True, kw_only=True):
    """A placement on the member."""

    name: str
    path: str
    snapshot: str
    state: str
    tone: str
    drifted: int
    differing: int
    failed: tuple[str, ...]


class Upgrade(Struct, frozen=True, kw_only=True):
    """What a run did, or does, to the member."""

    run: str
    what: str
    state: str
    tone: str
    message: str
    began: datetime | None
    ended: datetime | None
    nodes: str


class MemberPage(Struct, frozen=True, kw_only=True):
    """All of a member."""

    row: Row
    explanation: Explanation
    joined: datetime | None
    heartbeat_seconds: int
    identity: str
    platform: str
    windows: tuple[tuple[str, str], ...]
    taints: tuple[str, ...]
    resources: tuple[tuple[str, str, str], ...]
    conditions: tuple[tuple[str, str, str, datetime | None], ...]
    placed: tuple[Placed, ...]
    upgrades: tuple[Upgrade, ...]


def member_page(
    member: MemberCluster,
    bindings: Iterable[Binding],
    upgrades: Iterable[ClusterUpgrade],
    runs: Iterable[UpdateRun],
    now: datetime,
) -> MemberPage:
    """A member as it is at a moment."""
    metadata, spec = member.metadata, member.spec
    annotations = metadata.annotations
    windows = (
        ("Kubernetes", annotations.get(names.MAINTENANCE_WINDOW, "")),
        ("Node images", annotations.get(names.NODE_IMAGE_MAINTENANCE_WINDOW, "")),
    )
    return MemberPage(
        row=row_of(member, now),
        explanation=explain_member(member, now, Access()),
        joined=_time(metadata.creation_timestamp),
        heartbeat_seconds=0 if heartbeat_of(member) is None else spec.heartbeat_period_seconds,
        identity=f"{spec.identity.kind} {spec.identity.name}",
        platform=annotations.get(names.CLUSTER_RESOURCE_ID, ""),
        windows=tuple(window for window in windows if window[1]),
        taints=tuple(f"{taint.key}={taint.value}:{taint.effect}" for taint in spec.taints),
        resources=_resources(member),
        conditions=tuple(
            (
                condition.type,
                condition.status,
                condition.message or condition.reason,
                _time(condition.last_transition_time),
            )
            for condition in member.status.conditions
        ),
        placed=tuple(_placed(bindings, metadata.name)),
        upgrades=_upgrades(upgrades, runs, metadata.name),
    )


def _resources(member: MemberCluster) -> tuple[tuple[str, str, str], ...]:
    usage = member.status.resource_usage
    if usage is None:
        return ()
    return tuple(
        (name, str(total), str(usage.available.get(name, "")))
        for name, total in sorted(usage.allocatable.items())
        if name in ("cpu", "memory", "pods")
    )


def _placed(bindings: Iterable[Binding], member: str) -> Iterator[Placed]:
    here = [binding for binding in bindings if binding.spec.target_cluster == member]
    for binding in sorted(here, key=lambda binding: binding.key):
        namespace = binding.metadata.namespace
        called = binding.metadata.labels.get(names.PARENT_PLACEMENT, binding.metadata.name)
        found = explain_binding(binding, None, Access())
        status = binding.status
        bad = [f"{one.kind} {one.name}: {one.condition.message}" for one in status.failed_placements]
        waits = bool(found.waits)
        yield Placed(
            name=f"{namespace}/{called}" if namespace else called,
            path=f"/placements/{namespace}/{called}" if namespace else f"/placements/{called}",
            snapshot=binding.spec.resource_snapshot_name,
            state=found.waits[0].what if waits else found.state,
            tone="bad" if bad else "warn" if waits else "good",
            drifted=len(status.drifted_placements),
            differing=len(status.diffed_placements),
            failed=tuple(bad[:3]),
        )


def _upgrades(upgrades: Iterable[ClusterUpgrade], runs: Iterable[UpdateRun], member: str) -> tuple[Upgrade, ...]:
    """Of the member's ClusterUpgrades, and of what runs say of it where these are gone; newest first."""
    found = [_upgrade(upgrade) for upgrade in upgrades if upgrade.metadata.namespace == names.member_namespace(member)]
    known = {upgrade.run for upgrade in found}
    found += [line for run in runs if run.metadata.name not in known for line in _of_run(run, member)]
    found.sort(key=lambda upgrade: upgrade.began.timestamp() if upgrade.began else 0.0, reverse=True)
    return tuple(found[:_UPGRADES])


def _upgrade(upgrade: ClusterUpgrade) -> Upgrade:
    spec, status = upgrade.spec, upgrade.status
    target, total = spec.upgrade, status.nodes_total
    what = f"Kubernetes {target.kubernetes_version}" if target.kubernetes_version else "Node images"
    return Upgrade(
        run=spec.update_run,
        what=what,
        state=status.state.lower(),
        tone=_STATE_TONES[status.state],
        message=status.error.message if status.error is not None else status.message,
        began=_time(status.start_time),
        ended=_time(status.completed_time),
        nodes=f"{status.nodes_done} of {total} nodes" if total else "",
    )


def _of_run(run: UpdateRun, member: str) -> Sequence[Upgrade]:
    target = run.spec.managed_cluster_update.upgrade
    return [
        Upgrade(
            run=run.metadata.name,
            what=f"Kubernetes {target.kubernetes_version}" if target.kubernetes_version else "Node images",
            state=_STATE_WORDS.get(found.state, found.state.lower()),
            tone=_STATE_TONES.get(found.state, "idle"),
            message=found.message or (found.error.message if found.error is not None else ""),
            began=_time(found.start_time),
            ended=_time(found.completed_time),
            nodes="",
        )
        for stage in run.status.stages
        for group in stage.groups
        for found in group.members
        if found.name == member
    ]


def _time(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
