"""Aggregated cluster roles: their rules are those of all cluster roles that their selectors match.

Whenever a cluster role changes, the aggregated ones are looked at again; one whose rules are as they
should be is not written. Roles of roles settle after as many rounds as they are deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from echelon.apiserver.access.index import GROUP
from echelon.apiserver.builtin.hooks.base import selects
from echelon.apiserver.definitions import Object
from echelon.apiserver.lifecycle.worker import Worker
from echelon.apiserver.objects import Changed, ObjectRecord, Objects

PLURAL = "clusterroles"


class RoleAggregator:
    """Keeps the rules of aggregated cluster roles."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._aggregated: set[str] = set()
        self._worker: Worker[str] = Worker("role-aggregation", self._handle)

    async def start(self) -> None:
        """Settle every aggregated role, then begin to follow changes."""
        for record in self._records():
            self._note(record)
        before = -1
        while before != self._objects.keyspace.revision:
            before = self._objects.keyspace.revision
            for name in sorted(self._aggregated):
                await self._handle(name)
        self._worker.start()

    async def close(self) -> None:
        await self._worker.close()

    def observe(self, changed: Changed) -> None:
        if (changed.definition.group, changed.definition.plural) != (GROUP, PLURAL):
            return
        record = self._objects.bucket(changed.definition).get("", changed.name)
        if record is None:
            self._aggregated.discard(changed.name)
        else:
            self._note(record)
        for name in sorted(self._aggregated):
            self._worker.add(name)

    def _records(self) -> Sequence[ObjectRecord]:
        return self._objects.keyspace.bucket(f"{GROUP}/{PLURAL}").list()

    def _note(self, record: ObjectRecord) -> None:
        if b'"aggregationRule"' in record.value and _selectors(orjson.loads(record.value)):
            self._aggregated.add(record.key.name)
        else:
            self._aggregated.discard(record.key.name)

    async def _handle(self, name: str) -> None:
        definition = self._objects.registry.get(GROUP, PLURAL)
        if definition is not None:
            await self._objects.rewrite(definition, "", name, self._gather)

    def _gather(self, role: Object) -> bool:
        """Give a role the rules it should have; whether that changed it."""
        selectors = _selectors(role)
        if not selectors:
            return False
        name = role["metadata"]["name"]
        rules: list[Any] = []
        for selector in selectors:
            for record in self._records():
                if record.key.name != name and selects(selector, record.summary.labels):
                    found = orjson.loads(record.value).get("rules") or ()
                    rules += [rule for rule in found if rule not in rules]
        if rules == (role.get("rules") or []):
            return False
        role["rules"] = rules
        return True


def _selectors(role: Object) -> list[Object]:
    return (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
