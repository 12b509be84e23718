"""JSON and YAML texts into values, within bounds that keep every later step within its own.

Whatever recurses over a value, decoders and encoders written in C among it, can rely on its depth:
a text that nests deeper is refused. YAML may name a part and use it again; what such a text stands
for when written out is bounded too, since a few lines could otherwise stand for gigabytes.
"""

from __future__ import annotations

from typing import Any

import orjson
import yaml

DEEPEST = 128
"""How deep values may nest; real objects stay far below."""
MOST_VALUES = 1_000_000
"""How many values a YAML text that uses aliases may stand for."""

TOO_DEEP = "exceeded max depth"


class TooDeep(ValueError):
    """A text nests deeper than it may."""

    def __init__(self) -> None:
        super().__init__(TOO_DEEP)


class _YAMLLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON has it: dates stay text."""


_YAMLLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_json(body: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        TooDeep: it nests too deep.
        ValueError: it is not JSON.
    """
    value = orjson.loads(body)
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        check_depth(value)
    return value


def parse_yaml(body: bytes) -> Any:
    """A YAML document as JSON values.

    Raises:
        TooDeep: it nests too deep.
        ValueError: it is not YAML, or not expressible as JSON.
    """
    if body.lstrip()[:1] == b"{":
        try:
            return parse_json(body)
        except orjson.JSONDecodeError:
            pass  # flow-style YAML looks like JSON
    try:
        aliases = _count_aliases(body)
        value = yaml.load(body, Loader=_YAMLLoader)
        if aliases and _written_out(value, {}) > MOST_VALUES:
            raise ValueError("yaml: document contains excessive aliasing")
        value = orjson.loads(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except RecursionError:
        raise TooDeep from None
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise ValueError(f"yaml: {error}") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Raises ``TooDeep`` for a value that nests too deep."""
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below += item.values()
            elif type(item) is list:
                below += item
        if not below:
            return
        level = below
    raise TooDeep


def _count_aliases(body: bytes) -> int:
    """How many aliases a document has. Nesting is bounded here, before anything recurses over it."""
    depth = aliases = 0
    for event in yaml.parse(body, Loader=_YAMLLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise TooDeep
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
    return aliases


def _written_out(value: Any, known: dict[int, int]) -> int:
    """How many values a value with shared parts stands for. A part that holds itself exceeds the recursion limit."""
    if not isinstance(value, dict | list):
        return 1
    size = known.get(id(value))
    if size is None:
        items = value.values() if isinstance(value, dict) else value
        size = known[id(value)] = 1 + sum(_written_out(item, known) for item in items)
    return size
