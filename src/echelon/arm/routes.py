"""The operations of the face: method, path, what does it, and what its complaints are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from echelon.arm.call import Call, Reply
from echelon.arm.handlers import fleets, gates, members, progress, runs
from echelon.arm.handlers.strategies import PROFILE, STRATEGY, generate
from echelon.arm.router import Route
from echelon.arm.translation.members import FIELDS as MEMBER_FIELDS
from echelon.arm.translation.members import MEMBERS
from echelon.arm.translation.profiles import GATE_FIELDS, PROFILE_FIELDS, STRATEGY_FIELDS
from echelon.arm.translation.runs import FIELDS as RUN_FIELDS
from echelon.arm.translation.runs import GATES, PROFILES, RUNS, STRATEGIES

Handler = Callable[[Call], Awaitable[Reply]]
_NO_FIELDS: Mapping[str, str] = {}

_FLEET = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/fleets/{fleet}"
_LOCATION = "/subscriptions/{subscription}/providers/Microsoft.ContainerService/locations/{location}"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to a fleet does. ``fields``: where the fields of the hub's kind stand in the resource."""

    handler: Handler
    type: str = ""
    action: str = ""
    fields: Mapping[str, str] = _NO_FIELDS
    versioned: bool = True
    founds: bool = False
    """Whether it makes the fleet, if that is not there."""


def _on(type_: str, fields: Mapping[str, str], **handlers: Handler) -> list[Route[Operation]]:
    """The routes of a type: ``list_`` of all, and the methods of one."""
    routes = []
    for method, handler in handlers.items():
        path = f"{_FLEET}/{type_}" + ("" if method == "list_" else "/{name}")
        verb = "GET" if method == "list_" else method.upper()
        routes.append(Route(verb, path, Operation(handler=handler, type=type_, fields=fields)))
    return routes


def _action(type_: str, fields: Mapping[str, str], **handlers: Handler) -> list[Route[Operation]]:
    return [
        Route(
            "POST",
            f"{_FLEET}/{type_}/{{name}}/{action}",
            Operation(handler=handler, type=type_, action=action, fields=fields),
        )
        for action, handler in handlers.items()
    ]


FLEET_ROUTES: list[Route[Operation]] = [
    Route("GET", _FLEET, Operation(handler=fleets.get)),
    Route("PUT", _FLEET, Operation(handler=fleets.put, founds=True)),
    Route("PATCH", _FLEET, Operation(handler=fleets.patch)),
    Route("DELETE", _FLEET, Operation(handler=fleets.delete)),
    Route("POST", f"{_FLEET}/listCredentials", Operation(handler=fleets.list_credentials)),
    *_on(
        MEMBERS,
        MEMBER_FIELDS,
        list_=members.list_,
        get=members.get,
        put=members.put,
        patch=members.patch,
        delete=members.delete,
    ),
    *_on(RUNS, RUN_FIELDS, list_=runs.list_, get=runs.get, put=runs.put, delete=runs.delete),
    *_action(RUNS, RUN_FIELDS, start=runs.start, stop=runs.stop, skip=runs.skip),
    *_on(STRATEGIES, STRATEGY_FIELDS, list_=STRATEGY.list_, get=STRATEGY.get, put=STRATEGY.put, delete=STRATEGY.delete),
    *_on(PROFILES, PROFILE_FIELDS, list_=PROFILE.list_, get=PROFILE.get, put=PROFILE.put, delete=PROFILE.delete),
    *_action(PROFILES, PROFILE_FIELDS, generateUpdateRun=generate),
    *_on(GATES, GATE_FIELDS, list_=gates.list_, get=gates.get, patch=gates.patch),
    Route("GET", f"{_LOCATION}/operations/{{operation}}", Operation(handler=progress.status, versioned=False)),
    Route("GET", f"{_LOCATION}/operationresults/{{operation}}", Operation(handler=progress.result, versioned=False)),
]
