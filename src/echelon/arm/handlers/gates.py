"""Gates: read, and completed."""

from __future__ import annotations

from typing import Any

from echelon.api.fleet import Gate
from echelon.api.meta import format_time
from echelon.arm.call import Call, Reply
from echelon.arm.envelope import enveloped
from echelon.arm.errors import invalid, not_allowed
from echelon.arm.filters import matches_gate, parse_filter
from echelon.arm.translation.profiles import gate_to
from echelon.arm.translation.runs import GATES
from echelon.kube.patches import MergePatch


def shown(call: Call, gate: Gate) -> dict[str, Any]:
    """A gate as it is on the wire."""
    return enveloped(gate.metadata, call.fleet.of(GATES, gate.metadata.name), GATES, gate_to(gate, call.fleet))


async def get(call: Call) -> Reply:
    return Reply(body=shown(call, await call.client.get(Gate, call.name)))


async def list_(call: Call) -> Reply:
    terms = parse_filter(call.query.get("$filter"))
    gates = [gate for gate in (await call.client.list(Gate)).items if matches_gate(terms, gate)]
    return call.page(gates, lambda gate: gate.metadata.name, f"{call.fleet}/{GATES}", lambda gate: shown(call, gate))


async def patch(call: Call) -> Reply:
    """Complete a gate. Doing so twice is doing so once."""
    state = call.properties.get("state")
    if state != "Completed":
        raise invalid(f"{state!r} is not accepted; a gate can only be set to 'Completed'", "properties.state")
    gate = await call.client.get(Gate, call.name)
    call.check_preconditions(gate)
    if gate.status.state == "Skipped":
        raise not_allowed(
            f"The gate {call.name!r} is Skipped, with what it guards; only a Pending gate can be completed."
        )
    if gate.status.state == "Pending":
        status = {
            "state": "Completed",
            "completedBy": await call.user(),
            "completedTime": format_time(call.clock.now()),
        }
        content = {"metadata": {"resourceVersion": gate.metadata.resource_version}, "status": status}
        gate = await call.client.patch(Gate, call.name, MergePatch(content), subresource="status")
    return Reply(body=shown(call, gate))
