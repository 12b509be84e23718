"""Update runs, their gates, and the upgrades of single members."""

from __future__ import annotations

from collections.abc import Iterator

from echelon.api import names
from echelon.api.fleet import Gate, UpdateRun
from echelon.api.upgrade import ClusterUpgrade
from echelon.explain.access import Access
from echelon.explain.explanation import Explanation, moment
from echelon.explain.run_outline import run_outline
from echelon.explain.run_waits import next_command, run_waits
from echelon.explain.waiting import Wait


def explain_update_run(run: UpdateRun, access: Access) -> Explanation:
    """Where an update run stands."""
    item = run_outline(run)
    members = list(item.members())
    done = sum(member.is_over for member in members)
    facts = [f"{done} of {len(members)} members done, {run.status.failure_count} failed"] if members else []
    error = run.status.error
    if error is not None:
        facts.append(f"{error.code}: {error.message}")
    found = list(run_waits(run, item, access))
    if command := next_command(run, item, access):
        found.append(
            Wait(
                what="nothing: it failed and does not go on by itself",
                since=item.ended,
                unblock="mend what failed, then try that once more",
                command=command,
            )
        )
    return Explanation(what=f"UpdateRun {run.metadata.name}", state=run.status.state, facts=facts, waits=found)


def explain_gate(gate: Gate, access: Access) -> Explanation:
    """Whether a gate is open, and who or what opens it."""
    spec, status = gate.spec, gate.status
    target = spec.target
    where = f"stage {target.stage}" if not target.group else f"group {target.group} of stage {target.stage}"
    facts = [f"{target.timing.lower()} {where} of run {target.update_run}"]
    if status.completed_by:
        facts.append(f"completed by {status.completed_by}" + (f": {status.message}" if status.message else ""))
    elif status.message:
        facts.append(status.message)
    found: list[Wait] = []
    if status.state == "Pending":
        until = moment(status.absolute_start_time)
        found.append(
            Wait(
                what="somebody to approve it" if until is None else "its scheduled start",
                since=moment(gate.metadata.creation_timestamp),
                until=until,
                unblock="approve it" if until is None else "wait, or approve it now",
                command=access.command("gate", "approve", "-n", gate.metadata.name),
            )
        )
    return Explanation(what=f"Gate {gate.metadata.name}", state=status.state, facts=facts, waits=found)


def explain_upgrade(upgrade: ClusterUpgrade, access: Access) -> Explanation:
    """Where the upgrade of one member stands with its provider."""
    spec, status = upgrade.spec, upgrade.status
    target = spec.upgrade
    version = f" to {target.kubernetes_version}" if target.kubernetes_version else ""
    facts = [f"{target.type}{version} of {spec.cluster_resource_id or 'a member without a platform'}"]
    if spec.update_run:
        facts.append(f"for update run {spec.update_run}, attempt {spec.attempt}")
    if status.nodes_total:
        facts.append(f"{status.nodes_done} of {status.nodes_total} nodes upgraded")
    if status.error is not None:
        facts.append(f"{status.error.code}: {status.error.message}")
    member = names.member_of_namespace(upgrade.metadata.namespace) or upgrade.metadata.namespace
    return Explanation(
        what=f"ClusterUpgrade {upgrade.metadata.namespace}/{upgrade.metadata.name}",
        state=status.state,
        facts=facts,
        waits=tuple(_upgrade_waits(upgrade, member, access)),
    )


def _upgrade_waits(upgrade: ClusterUpgrade, member: str, access: Access) -> Iterator[Wait]:
    spec, status = upgrade.spec, upgrade.status
    run = ("updaterun", "skip", "-n", spec.update_run, "--targets", f"Member:{member}")
    skip = access.command(*run) if spec.update_run else ""
    current = status.observed_generation == upgrade.metadata.generation
    match status.state:
        case "Pending" if not current and not status.message:
            scheme = spec.cluster_resource_id.partition("://")[0] if "://" in spec.cluster_resource_id else ""
            provider = f"a provider for {scheme}://" if scheme else "a provider for its platform"
            yield Wait(
                what=f"{provider} to take it up",
                since=moment(upgrade.metadata.creation_timestamp),
                unblock="configure that provider, or skip the member",
                command=skip,
            )
        case "Pending":
            yield Wait(
                what=status.message or "its turn at the platform",
                since=moment(status.start_time) or moment(upgrade.metadata.creation_timestamp),
                until=moment(status.not_before),
                unblock="wait, or skip the member" if status.not_before else "remove what is in the way, or skip it",
                command=skip,
            )
        case "Running":
            handle = status.operation_id.partition("?")[0]  # what follows is for the provider only
            operation = f" (operation {handle})" if handle else ""
            doing = f": {status.message}" if status.message else ""
            yield Wait(what=f"the platform to finish{operation}{doing}", since=moment(status.start_time))
        case "Failed":
            again = access.command("updaterun", "start", "-n", spec.update_run) if spec.update_run else ""
            yield Wait(
                what="nothing: it failed",
                since=moment(status.completed_time),
                unblock="mend what failed, then start the run again",
                command=again,
            )
