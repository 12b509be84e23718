"""Creates the default roles and bindings at start, and repairs what they have lost.

An object that is there gets back the labels, rules and subjects that it lacks and keeps what was
added to it. One whose annotation ``rbac.authorization.kubernetes.io/autoupdate`` is ``false`` is left
alone. A default binding that leads to another role is made anew, since that cannot be changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import orjson

from echelon.apiserver.access.index import GROUP
from echelon.apiserver.access.policy import AUTO_UPDATE, default_bindings, default_roles
from echelon.apiserver.access.rules import PolicyRule, merged, uncovered
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.lifecycle.provisioning import own_write
from echelon.apiserver.objects import Objects
from echelon.apiserver.query import DeleteOptions

_Repair = Callable[[Object, Object], None]


async def ensure_defaults(objects: Objects) -> None:
    """Bring the default roles and bindings into being; nothing where roles are not served."""
    roles, bindings = objects.registry.get(GROUP, "clusterroles"), objects.registry.get(GROUP, "clusterrolebindings")
    if roles is None or bindings is None:
        return
    await asyncio.gather(
        *(_ensure(objects, roles, role, _repair_role) for role in default_roles()),
        *(_ensure(objects, bindings, binding, _repair_binding) for binding in default_bindings()),
    )


async def _ensure(objects: Objects, definition: ResourceDefinition, wanted: Object, repair: _Repair) -> None:
    name: str = wanted["metadata"]["name"]
    record = objects.bucket(definition).latest("", name)
    if record is not None:
        present = orjson.loads(record.value)
        if (present["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "false":
            return
        if present.get("roleRef") == wanted.get("roleRef"):
            await _update(objects, definition, wanted, present, repair)
            return
        await objects.delete(definition, "", name, DeleteOptions(uid=record.summary.uid))
    await objects.create(wanted, own_write(definition, ""))


async def _update(
    objects: Objects, definition: ResourceDefinition, wanted: Object, present: Object, repair: _Repair
) -> None:
    repaired = _copy(present)
    _add(repaired["metadata"], wanted["metadata"])
    repair(repaired, wanted)
    if repaired != present:
        await objects.update(wanted["metadata"]["name"], lambda _: repaired, own_write(definition, ""))


def _add(metadata: Object, wanted: Object) -> None:
    for field in ("labels", "annotations"):
        metadata[field] = (metadata.get(field) or {}) | wanted[field]


def _repair_role(role: Object, wanted: Object) -> None:
    selectors = (wanted.get("aggregationRule") or {}).get("clusterRoleSelectors")
    if selectors is not None:  # its rules are gathered, not written here
        present = role.setdefault("aggregationRule", {}).setdefault("clusterRoleSelectors", [])
        present += [selector for selector in selectors if selector not in present]
        return
    held, needed = (msgspec.convert(obj.get("rules") or (), tuple[PolicyRule, ...]) for obj in (role, wanted))
    missing = uncovered(held, needed)
    if missing:
        role["rules"] = [*(role.get("rules") or ()), *orjson.loads(msgspec.json.encode(merged(missing)))]


def _repair_binding(binding: Object, wanted: Object) -> None:
    present = binding.get("subjects") or []
    missing = [subject for subject in wanted["subjects"] if subject not in present]
    if missing:
        binding["subjects"] = [*present, *missing]


def _copy(obj: Object) -> Object:
    copy: Object = orjson.loads(orjson.dumps(obj))
    return copy
