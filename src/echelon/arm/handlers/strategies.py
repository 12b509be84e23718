"""Update strategies and auto-upgrade profiles: kinds whose spec is replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

import msgspec

from echelon.api.fleet import UpdateStrategy
from echelon.api.meta import KubeObject
from echelon.api.upgrade import AutoUpgradeProfile
from echelon.arm.call import Call, Reply, found
from echelon.arm.envelope import enveloped
from echelon.arm.errors import invalid, not_allowed
from echelon.arm.ids import is_name
from echelon.arm.translation.profiles import profile_from, profile_to, strategy_from, strategy_to
from echelon.arm.translation.runs import PROFILES, RUNS, STRATEGIES
from echelon.arm.writing import replace_spec
from echelon.kube.errors import AlreadyExists
from echelon.kube.kinds import Unstructured

T = TypeVar("T", bound=KubeObject)
LONGEST = 50


class Replaced(Generic[T]):
    """The operations of a kind whose spec is replaced whole."""

    def __init__(
        self,
        kind: type[T],
        type_: str,
        properties: Callable[[Call, T], Mapping[str, Any]],
        spec: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        *,
        deleted: int,
    ) -> None:
        self._kind = kind
        self._type = type_
        self._properties = properties
        self._spec = spec
        self._deleted = deleted

    def shown(self, call: Call, obj: T) -> dict[str, Any]:
        id_ = call.fleet.of(self._type, obj.metadata.name)
        return enveloped(obj.metadata, id_, self._type, self._properties(call, obj))

    async def get(self, call: Call) -> Reply:
        return Reply(body=self.shown(call, await call.client.get(self._kind, call.name)))

    async def list_(self, call: Call) -> Reply:
        objects = (await call.client.list(self._kind)).items
        path = f"{call.fleet}/{self._type}"
        return call.page(objects, lambda obj: obj.metadata.name, path, lambda obj: self.shown(call, obj))

    async def put(self, call: Call) -> Reply:
        spec = self._spec(call.properties)
        present: T | None = await found(call.client.get(self._kind, call.name))
        call.check_preconditions(present)
        if present is None:
            return await self._create(call, spec)
        changed = await replace_spec(call.client, present, spec, await call.notes(created=False))
        return Reply(body=self.shown(call, changed))

    async def _create(self, call: Call, spec: Mapping[str, Any]) -> Reply:
        if not is_name(call.name, LONGEST):
            message = f"{call.names['name']!r} is no name; want 1 to 50 lower-case letters, digits and dashes"
            raise invalid(message, "name")
        plain = Unstructured(self._kind.resource)
        metadata = {"name": call.name, "annotations": await call.notes(created=True)}
        written = await call.client.create({**plain.plain({}), "metadata": metadata, "spec": spec}, plain)
        return Reply(status=201, body=self.shown(call, msgspec.convert(written, self._kind)))

    async def delete(self, call: Call) -> Reply:
        obj: T | None = await found(call.client.get(self._kind, call.name))
        if obj is None:
            return Reply(status=204)
        call.check_preconditions(obj)
        await call.client.delete(self._kind, call.name, uid=obj.metadata.uid, missing_ok=True)
        return Reply(status=self._deleted)


STRATEGY = Replaced(UpdateStrategy, STRATEGIES, lambda _, found: strategy_to(found), strategy_from, deleted=200)
PROFILE = Replaced(
    AutoUpgradeProfile, PROFILES, lambda call, found: profile_to(found, call.fleet), profile_from, deleted=204
)


async def generate(call: Call) -> Reply:
    """Make the run of a profile for what is published now, not started; the same run for the same versions."""
    profile = await call.client.get(AutoUpgradeProfile, call.name)
    run = await call.rules.generate(call.client, profile)
    if isinstance(run, str):
        raise not_allowed(run)
    if not run.metadata.uid:
        with suppress(AlreadyExists):
            await call.client.create(run)
    return Reply(body={"id": call.fleet.of(RUNS, run.metadata.name)})
