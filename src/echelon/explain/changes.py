"""What changed between two sets of objects, in words: which came, which went, and which fields differ.

Pure. Objects are told apart by group, kind, namespace and name. Values of Secrets are never shown, only
that they differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
Path = tuple[str, ...]

FIELDS_SHOWN = 5
_LONGEST = 40
_HIDDEN = ("data", "stringData")
_MISSING = object()


def identity(obj: Object) -> tuple[str, str, str, str]:
    """What tells an object apart from others: kind, group, namespace, name."""
    metadata = obj.get("metadata", {})
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    return str(obj.get("kind", "")), group, str(metadata.get("namespace", "")), str(metadata.get("name", ""))


def title(obj: Object) -> str:
    """An object in a few words: ``ConfigMap test-namespace/test-cm``."""
    kind, _, namespace, name = identity(obj)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def changes(before: Iterable[Object], after: Iterable[Object]) -> Sequence[str]:
    """What is different afterwards, a line a change."""
    old = {identity(obj): obj for obj in before}
    new = {identity(obj): obj for obj in after}
    lines = [f"+ {title(new[key])}" for key in new if key not in old]
    lines += [f"- {title(old[key])}" for key in old if key not in new]
    for key, obj in new.items():
        if key in old and obj != old[key]:
            lines += _fields(old[key], obj)
    return lines


def _fields(before: Object, after: Object) -> Iterator[str]:
    hide = after.get("kind") == "Secret"
    found = list(_differences(before, after, ()))
    for path, old, new in found[:FIELDS_SHOWN]:
        if hide and path and path[0] in _HIDDEN:
            yield f"~ {title(after)}: {_dotted(path)} (not shown)"
        elif new is _MISSING:
            yield f"~ {title(after)}: {_dotted(path)} removed, was {_short(old)}"
        elif old is _MISSING:
            yield f"~ {title(after)}: {_dotted(path)} added, {_short(new)}"
        else:
            yield f"~ {title(after)}: {_dotted(path)} {_short(old)} → {_short(new)}"
    if len(found) > FIELDS_SHOWN:
        yield f"~ {title(after)}: {len(found) - FIELDS_SHOWN} more fields"


def _differences(before: object, after: object, path: Path) -> Iterator[tuple[Path, object, object]]:
    """The smallest parts that differ, in the order of the new value."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*after, *(key for key in before if key not in after)]:
            yield from _differences(before.get(key, _MISSING), after.get(key, _MISSING), (*path, str(key)))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, (*path, f"[{position}]"))
    elif before != after:
        yield path, before, after


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += step if step.startswith("[") or not text else f".{step}"
    return text


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
