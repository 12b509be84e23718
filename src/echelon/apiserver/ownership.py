"""Who set which field: the field managers of the resources, and what a write does to ``managedFields``.

Resources that are views of the same objects share a field manager, which knows the versions of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import orjson

from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.patch import FieldManager
from echelon.apiserver.patch.field_manager import Convert
from echelon.apiserver.preparation import Write
from echelon.apiserver.registry import Registry, Served


class Ownership:
    """Field managers, one for each kind of stored object, made when first needed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._managers: dict[str, tuple[ResourceDefinition, FieldManager]] = {}

    def track(self, live: Object | None, new: Object, write: Write, now: datetime) -> None:
        """Bring the ``managedFields`` of an object up to date that was created or changed, but not by apply."""
        fields = self._manager(write.definition).update(
            live,
            new,
            manager=write.manager,
            api_version=write.served.api_version,
            time=format_time(now),
            subresource=write.subresource,
        )
        if fields:
            new["metadata"]["managedFields"] = fields
        else:
            new["metadata"].pop("managedFields", None)

    def apply(self, live: Object | None, applied: Object, write: Write, now: datetime) -> Object:
        """What server-side apply of a configuration makes of the live object.

        Raises:
            StatusError: 409 when other managers' fields are in the way, 400 when the schema does not allow it.
        """
        return self._manager(write.definition).apply(
            live,
            applied,
            manager=write.manager,
            force=bool(write.options.force),
            api_version=write.served.api_version,
            time=format_time(now),
            subresource=write.subresource,
        )

    def _manager(self, definition: ResourceDefinition) -> FieldManager:
        keeper = self._registry.keeper(definition)
        known = self._managers.get(keeper.bucket)
        if known is not None and known[0] is keeper:
            return known[1]
        views = {served.api_version: served for served in self._registry.views(keeper)}
        manager = FieldManager(
            {api_version: served.version.schema.openapi for api_version, served in views.items()},
            convert=_between(views),
            status=any(served.version.status for served in views.values()),
        )
        self._managers[keeper.bucket] = (keeper, manager)
        return manager


def _between(views: Mapping[str, Served]) -> Convert:
    """Conversion between the versions of a kind of object."""
    converting = {name for name, served in views.items() if served.version.conversion is not None}

    def convert(obj: Object, api_version: str) -> Object:
        given = obj.get("apiVersion", api_version)
        if given == api_version or converting.isdisjoint((given, api_version)):
            return obj
        copy = orjson.loads(orjson.dumps(obj))
        return views[api_version].read(views[given].write(copy))

    return convert
