"""The resources served at this moment: built-in kinds and custom ones, added and removed at run time.

``generation`` rises with every change; discovery and OpenAPI documents are kept per generation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from echelon.apiserver.definitions import Object, ResourceDefinition, Version, group_version

_KUBE_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


class Served(msgspec.Struct, frozen=True):
    """A resource at one of its versions."""

    definition: ResourceDefinition
    version: Version

    @property
    def api_version(self) -> str:
        return group_version(self.definition.group, self.version.name)

    @property
    def as_stored(self) -> bool:
        """Whether the version's form of an object is the stored one, to the byte."""
        return self.version.conversion is None and self.api_version == self.definition.stored_api_version

    def read(self, stored: Object) -> Object:
        """A stored object at this version; ``stored`` may be changed for it."""
        conversion = self.version.conversion
        obj = stored if conversion is None else conversion.read(stored)
        obj["apiVersion"] = self.api_version
        return obj

    def write(self, obj: Object) -> Object:
        """The form in which an object of this version is stored; ``obj`` may be changed for it."""
        conversion = self.version.conversion
        stored = obj if conversion is None else conversion.write(obj)
        stored["apiVersion"] = self.definition.stored_api_version
        return stored


def version_priority(name: str) -> tuple[int, int, int, str]:
    """Sort key: stable versions first, then beta, then alpha, each the newest first; other names last."""
    match = _KUBE_VERSION.fullmatch(name)
    if match is None:
        return (3, 0, 0, name)
    stability = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stability, -int(match[1]), -int(match[3] or 0), name)


class Registry:
    """Finds definitions by path or by kind."""

    def __init__(self, definitions: Iterable[ResourceDefinition] = ()) -> None:
        self.generation = 0
        self._definitions: dict[tuple[str, str], ResourceDefinition] = {}
        self._served: dict[tuple[str, str, str], Served] = {}
        self._kinds: dict[tuple[str, str], ResourceDefinition] = {}
        for definition in definitions:
            self.add(definition)

    def add(self, definition: ResourceDefinition) -> None:
        """Serve a resource, in place of the one with the same group and plural."""
        self.remove(definition.group, definition.plural)
        self._definitions[definition.group, definition.plural] = definition
        for name, version in definition.versions.items():
            self._served[definition.group, name, definition.plural] = Served(definition, version)
        self._kinds.setdefault((definition.group, definition.kind), definition)
        self.generation += 1

    def remove(self, group: str, plural: str) -> None:
        """Stop serving a resource; nothing happens when it is not served."""
        definition = self._definitions.pop((group, plural), None)
        if definition is None:
            return
        for name in definition.versions:
            del self._served[group, name, plural]
        if self._kinds.get((group, definition.kind)) is definition:
            del self._kinds[group, definition.kind]
        self.generation += 1

    def find(self, group: str, version: str, plural: str) -> Served | None:
        return self._served.get((group, version, plural))

    def get(self, group: str, plural: str) -> ResourceDefinition | None:
        return self._definitions.get((group, plural))

    def of_kind(self, api_version: str, kind: str) -> ResourceDefinition | None:
        """The definition of a kind, whichever version of its group is named."""
        group = api_version.rpartition("/")[0]
        return self._kinds.get((group, kind))

    def definitions(self) -> Sequence[ResourceDefinition]:
        return list(self._definitions.values())

    def keeper(self, definition: ResourceDefinition) -> ResourceDefinition:
        """The resource as which the objects of a resource are kept: mostly itself."""
        return self._definitions.get((definition.keeper, definition.plural), definition)

    def views(self, definition: ResourceDefinition) -> list[Served]:
        """All versions of all resources in which the objects of a resource are served."""
        return [served for served in self._served.values() if served.definition.bucket == definition.bucket]

    def groups(self) -> dict[str, list[str]]:
        """The groups, in the order they came, with their versions, the preferred one first."""
        found: dict[str, set[str]] = {}
        for group, version, _ in self._served:
            found.setdefault(group, set()).add(version)
        return {group: sorted(versions, key=version_priority) for group, versions in found.items()}

    def in_version(self, group: str, version: str) -> list[Served]:
        """Everything served under a group version, sorted by plural."""
        served = [entry for (g, v, _), entry in self._served.items() if (g, v) == (group, version)]
        return sorted(served, key=lambda entry: entry.definition.plural)
