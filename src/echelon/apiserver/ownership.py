"""Who set which field: the field managers of the resources, and what a write does to ``managedFields``."""

from __future__ import annotations

from datetime import datetime

from echelon.apiserver.clock import format_time
from echelon.apiserver.definitions import Object, ResourceDefinition
from echelon.apiserver.patch import FieldManager
from echelon.apiserver.preparation import Write
from echelon.apiserver.registry import group_version


class Ownership:
    """Field managers, one a definition, made when first needed."""

    def __init__(self) -> None:
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
        known = self._managers.get(definition.bucket)
        if known is not None and known[0] is definition:
            return known[1]
        versions = definition.versions.items()
        manager = FieldManager(
            {group_version(definition.group, name): version.schema.openapi for name, version in versions},
            status=any(version.status for _, version in versions),
        )
        self._managers[definition.bucket] = (definition, manager)
        return manager
