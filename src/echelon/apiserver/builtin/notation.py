"""The table of built-in types: a compact notation, read into values.

One file per API group version under ``types/``. It opens with the name under which its types are
published in OpenAPI and the group they belong to; enumerations and types follow::

    package io.k8s.api.apps.v1
    group apps v1

    enum DeploymentStrategyType Recreate RollingUpdate

    kind Deployment -- What it is, in a sentence.
      spec 2 DeploymentSpec -- What the field says.
      status 3 DeploymentStatus -- ...

A field line has the JSON name, the protobuf field number, the type and then facts in any order:

* type: a scalar (see ``SCALARS``), an enum or a type of the same file, or ``file.Type``; ``[]`` before
  it makes a list, ``{}`` a map from strings, ``*`` something that can be absent as opposed to zero.
* ``required`` - clients must give it; ``kept`` - written even when it is zero.
* ``default=JSON`` - the value where none is given.
* ``list=atomic|set|map:key,key`` and ``atomic`` - how server-side apply treats it.
* ``patch=strategy,strategy:key`` - how a strategic merge patch treats it.

``inline 2 VolumeSource`` says that the fields of the other type stand directly in this one in JSON,
while protobuf nests them under number 2. Number 0 means that protobuf does not carry the field.
A ``kind`` has ``apiVersion`` and ``kind`` besides its fields.

Everything else about built-in kinds is derived from here: OpenAPI, protobuf decoding, defaults,
checks of unknown fields and types. Files are read on first use and kept.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import msgspec

SCALARS = frozenset(
    {
        "string", "bool", "int32", "int64", "float64", "bytes",
        "time", "microtime", "quantity", "intorstring",
        "json", "raw", "fields", "schema-or-list", "schema-or-bool", "schema-or-strings",
    }
)  # fmt: skip
"""Types without fields of their own. ``json`` is any value, ``raw`` a whole object, ``fields`` a field set."""

SELF_CONTAINING = "apiextensions.JSONSchemaProps"
"""The one type that contains itself: a JSON schema."""

PACKAGES = (
    "meta", "core", "apps", "batch", "autoscaling", "autoscaling2", "policy", "networking", "rbac",
    "coordination", "storage", "scheduling", "discovery", "events", "admissionregistration",
    "apiregistration", "certificates", "apiextensions", "authentication", "authorization",
)  # fmt: skip
"""The files under ``types/``; also the prefixes of type references."""


class Enum(msgspec.Struct, frozen=True):
    """A string type with a closed set of values."""

    name: str
    version: str
    values: tuple[str, ...]


class Type(msgspec.Struct, frozen=True):
    """An object type. ``key`` is ``file.Name``, ``component`` its name in OpenAPI."""

    key: str
    name: str
    component: str
    group: str
    version: str
    kind: bool
    atomic: bool
    description: str
    fields: tuple[Field, ...]


class Reference(msgspec.Struct, frozen=True):
    """What a field holds: a scalar or a named type, perhaps in lists, maps or behind a pointer.

    ``wrap`` lists the layers from outside in: ``[]``, ``{}`` and ``*``.
    """

    wrap: tuple[str, ...]
    name: str


class Field(msgspec.Struct, frozen=True):
    """A field of a type. ``default`` is the JSON text of the default, or None."""

    name: str
    number: int
    type: Reference
    required: bool = False
    kept: bool = False
    default: str | None = None
    list_type: str = ""
    map_keys: tuple[str, ...] = ()
    atomic: bool = False
    patch_strategy: tuple[str, ...] = ()
    merge_key: str = ""
    description: str = ""

    @property
    def inline(self) -> bool:
        """Whether the fields of the other type stand directly in this one."""
        return self.name == "inline"


class Package(msgspec.Struct, frozen=True):
    """One file of the table."""

    name: str
    types: dict[str, Type]
    enums: dict[str, Enum]


_ENUM_VALUE = re.compile(r'"([^"]*)"|(\S+)')
_WRAP = re.compile(r"(?:\[\]|\{\}|\*)")


@cache
def package(name: str) -> Package:
    """Read one file of the table."""
    text = files(__package__).joinpath("types", f"{name}.txt").read_text(encoding="utf-8")
    return parse(name, text)


def find(key: str) -> Type:
    """The type with this key, such as ``core.Pod``.

    Raises:
        KeyError: there is none.
    """
    package_name, _, type_name = key.partition(".")
    return package(package_name).types[type_name]


def find_enum(key: str) -> Enum | None:
    """The enumeration with this key, or None when the key names something else."""
    package_name, _, name = key.partition(".")
    return package(package_name).enums.get(name)


def parse(name: str, text: str) -> Package:
    """Read the notation.

    Raises:
        ValueError: a line does not follow the notation.
    """
    prefix = group = version = ""
    enums: dict[str, Enum] = {}
    types: dict[str, Type] = {}
    head: tuple[str, str] | None = None
    fields: list[Field] = []

    def finish() -> None:
        if head is not None:
            types_entry = _type(name, prefix, group, version, head, tuple(fields))
            types[types_entry.name] = types_entry
            fields.clear()

    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        facts, _, description = line.partition(" -- ")
        if line.startswith("  "):
            fields.append(_field(name, facts, description, number))
            continue
        word, _, rest = facts.partition(" ")
        match word:
            case "kind" | "type":
                finish()
                head = (facts, description)
            case "enum":
                enum_name, _, values = rest.partition(" ")
                found = tuple(quoted or bare for quoted, bare in _ENUM_VALUE.findall(values))
                enums[enum_name] = Enum(enum_name, version, found)
            case "package":
                prefix = rest
            case "group":
                group, _, version = rest.partition(" ")
            case _:
                raise ValueError(f"{name}.txt, line {number}: want package, group, enum, kind or type, not {word!r}")
    finish()
    return Package(name, types, enums)


def _type(
    package_name: str, prefix: str, group: str, version: str, head: tuple[str, str], fields: tuple[Field, ...]
) -> Type:
    words = head[0].split()
    name = words[1]
    return Type(
        key=f"{package_name}.{name}",
        name=name,
        component=f"{prefix}.{name}",
        group="" if group == "core" else group,
        version=version,
        kind=words[0] == "kind",
        atomic="atomic" in words[2:],
        description=head[1],
        fields=fields,
    )


def _field(package_name: str, facts: str, description: str, line: int) -> Field:
    name, number, type_text, *words = facts.split()
    given: dict[str, object] = {}
    for word in words:
        key, _, value = word.partition("=")
        match key:
            case "required" | "kept" | "atomic":
                given[key] = True
            case "default":
                given["default"] = value
            case "list":
                list_type, _, keys = value.partition(":")
                given["list_type"] = list_type
                given["map_keys"] = tuple(keys.split(",")) if keys else ()
            case "patch":
                strategies, _, merge_key = value.partition(":")
                given["patch_strategy"] = tuple(strategies.split(","))
                given["merge_key"] = merge_key
            case _:
                raise ValueError(f"{package_name}.txt, line {line}: unknown fact {word!r} of field {name}")
    return Field(name, int(number), _reference(package_name, type_text), description=description, **given)  # type: ignore[arg-type]


@cache
def _reference(package_name: str, text: str) -> Reference:
    wrap: list[str] = []
    position = 0
    while layer := _WRAP.match(text, position):
        wrap.append(layer.group())
        position = layer.end()
    name = text[position:]
    if name not in SCALARS and "." not in name:
        name = f"{package_name}.{name}"
    return Reference(tuple(wrap), name)
