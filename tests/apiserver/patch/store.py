"""One object under several managers, as a server would keep it: the stage of the ownership tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from echelon.apiserver.patch import FieldManager, apply_merge, no_references
from echelon.apiserver.patch.fieldset import path_text, paths

STRING = {"type": "string"}
NUMBER = {"type": "integer"}


def record(**fields):
    return {"type": "object", "properties": fields}


def items(of, kind=None, *keys):
    """A list of a list type, by keys when they are given."""
    extensions = {"x-kubernetes-list-type": kind} if kind else {}
    return {"type": "array", "items": of, **extensions, **({"x-kubernetes-list-map-keys": [*keys]} if keys else {})}


STRINGS = {"type": "object", "additionalProperties": STRING}
SPEC: dict[str, Any] = record(
    replicas=NUMBER,
    colour=STRING,
    labels=STRINGS,
    tags=items(STRING, "set"),
    args=items(STRING),
    parts=items(record(name=STRING, count=NUMBER, image=STRING, tags=items(STRING, "set")), "map", "name"),
    ports=items(record(port=NUMBER, protocol={**STRING, "default": "TCP"}, name=STRING), "map", "port", "protocol"),
    selector={**record(matchLabels=STRINGS), "x-kubernetes-map-type": "atomic"},
    nested=record(inner=record(a=STRING, b=STRING)),
    free={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
)
SCHEMA: dict[str, Any] = record(spec=SPEC, status=record(ready=NUMBER, note=STRING))


class Store:
    """The live object; ``tick`` is the time of the next write, in seconds."""

    def __init__(self, schema: Mapping[str, Any] = SCHEMA, lookup=no_references, *, status: bool = True) -> None:
        versions = {"example.com/v1": schema, "example.com/v2": schema}
        self.manager = FieldManager(versions, lookup, status=status)
        self.live: dict[str, Any] | None = None
        self.tick = 0

    def now(self) -> str:
        self.tick += 1
        return f"2030-01-01T00:00:{self.tick:02}Z"

    def apply(self, manager, spec=None, *, force=False, version="v1", subresource="", **top):
        api_version = f"example.com/{version}"
        config = document(spec, api_version=api_version, **top)
        before = copy.deepcopy((self.live, config))
        result = self.manager.apply(
            self.at(api_version),
            config,
            manager=manager,
            force=force,
            api_version=api_version,
            time=self.now(),
            subresource=subresource,
        )
        assert (self.live, config) == before
        self.live = result
        return self.spec

    def update(self, manager, spec=None, *, version="v1", subresource="", **top):
        """Replace the object, but for ``metadata`` where it is not given."""
        api_version = f"example.com/{version}"
        new = document(spec, api_version=api_version, **top)
        if self.live is not None:
            new["metadata"] = {**copy.deepcopy(self.live["metadata"]), **new["metadata"]}
        self.write(new, manager, api_version, subresource)

    def patch(self, manager, spec=None, *, version="v1", subresource="", **top):
        api_version = f"example.com/{version}"
        patch = ({"spec": spec} if spec is not None else {}) | top
        self.write(apply_merge(self.at(api_version), patch), manager, api_version, subresource)

    def write(self, new, manager, api_version, subresource):
        entries = self.manager.update(
            self.at(api_version),
            new,
            manager=manager,
            api_version=api_version,
            time=self.now(),
            subresource=subresource,
        )
        new["metadata"].pop("managedFields", None)
        if entries:
            new["metadata"]["managedFields"] = copy.deepcopy(entries)
        self.live = new

    def at(self, api_version):
        return None if self.live is None else {**self.live, "apiVersion": api_version}

    @property
    def spec(self):
        return self.live.get("spec")

    @property
    def entries(self):
        return self.live["metadata"].get("managedFields", [])

    def owners(self):
        """The paths that each manager owns, as text."""
        return {entry["manager"]: owned(entry) for entry in self.entries}

    def times(self):
        return {entry["manager"]: entry.get("time", "")[-3:-1] for entry in self.entries}


def owned(entry):
    return [path_text(path) for path in paths(entry["fieldsV1"])]


def document(spec=None, *, api_version="example.com/v1", metadata=None, **top):
    return {
        "apiVersion": api_version,
        "kind": "Widget",
        "metadata": {"name": "w", **(metadata or {})},
        **({} if spec is None else {"spec": copy.deepcopy(spec)}),
        **copy.deepcopy(top),
    }
