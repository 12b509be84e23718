"""How far an operation is: asked of the resource that it is about."""

from __future__ import annotations

from typing import Any

from echelon.api.cluster import MemberCluster
from echelon.api.meta import format_time
from echelon.arm.call import Call, Reply, found
from echelon.arm.errors import not_found
from echelon.arm.handlers.operations import RESULTS, address, read_state
from echelon.arm.ids import last_name
from echelon.arm.translation.members import MEMBERS


async def status(call: Call) -> Reply:
    """The operation, as ``Azure-AsyncOperation`` promises."""
    id_, since = _asked(call)
    body: dict[str, Any] = {"name": call.names["operation"], "status": "InProgress", "startTime": since}
    if await _present(call, id_) is None:
        body |= {"status": "Succeeded", "endTime": format_time(call.clock.now())}
    return Reply(body=body, headers={"Retry-After": "1"})


async def result(call: Call) -> Reply:
    """What came of the operation, as ``Location`` promises."""
    id_, since = _asked(call)
    if await _present(call, id_) is None:
        return Reply(status=204)
    body = {"name": call.names["operation"], "status": "InProgress", "startTime": since}
    return Reply(status=202, body=body, headers={"Location": address(call, RESULTS, id_), "Retry-After": "1"})


def _asked(call: Call) -> tuple[str, str]:
    state = read_state(call.query.get("s"))
    if state is None:
        raise not_found(f"operation {call.names['operation']}")
    return state


async def _present(call: Call, id_: str) -> MemberCluster | None:
    """The resource of an operation; None when it is gone."""
    name = last_name(id_, MEMBERS)
    if name is None:
        raise not_found(f"operation {call.names['operation']}")
    member: MemberCluster | None = await found(call.client.get(MemberCluster, name.lower()))
    return member
