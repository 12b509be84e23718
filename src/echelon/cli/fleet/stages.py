"""``--stages``: an order of stages, from a JSON file or written out.

What is no path of a file is taken for JSON. Unknown keys are refused, as a misspelt limit or gate that is
silently left out would be found when it is too late; ``null`` is as good as leaving a key out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from echelon.api.fleet import UpdateRunStrategy
from echelon.cli.errors import CannotStart

_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_EXAMPLE = '{"stages": [{"name": "stage1", "groups": [{"name": "group-1a"}], "afterStageWaitInSeconds": 60}]}'


def read_stages(text: str) -> UpdateRunStrategy:
    """Read the value of ``--stages``.

    Raises:
        CannotStart: saying what is wrong where, and what would be accepted.
    """
    source, content = _content(text)
    try:
        value = json.loads(content)
    except json.JSONDecodeError as error:
        raise CannotStart(f"{source}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}") from None
    if not isinstance(value, dict) or not isinstance(value.get("stages"), list):
        raise CannotStart(f"{source}: an object with a list of stages is wanted, such as {_EXAMPLE}")
    if not value["stages"]:
        raise CannotStart(f"{source}: stages: must have at least one stage")
    value = _without_nulls(value)
    _check_keys(value, UpdateRunStrategy, source, "")
    try:
        return msgspec.convert(value, UpdateRunStrategy)
    except msgspec.ValidationError as error:
        raise CannotStart(f"{source}: {_located(str(error))}") from None


def _content(text: str) -> tuple[str, str]:
    """Where the JSON is from, and the JSON."""
    path = Path(text)
    try:
        if path.is_file():
            return text, path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise CannotStart(f"{text}: this is no UTF-8 text") from None
    except OSError as error:
        if not text.lstrip().startswith("{"):  # a name that no file can have is JSON that was written out
            raise CannotStart(f"{text}: {error.strerror}") from None
    if not text.lstrip().startswith(("{", "[")):
        raise CannotStart(f"--stages: there is no file {text!r}, and it is no JSON such as {_EXAMPLE}")
    return "--stages", text


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _check_keys(value: object, type_: Any, source: str, path: str) -> None:
    """Refuse keys that a struct does not have, at any depth."""
    struct = _struct_in(type_)
    if struct is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_keys(item, struct, source, f"{path}[{index}]")
    elif isinstance(value, Mapping):
        hints = get_type_hints(struct)
        fields = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
        for key, item in value.items():
            where = f"{path}.{key}" if path else key
            if key not in fields:
                raise CannotStart(f"{source}: {where}: there is no such key; accepted are {', '.join(fields)}")
            _check_keys(item, fields[key], source, where)


def _struct_in(type_: Any) -> Any:
    """The struct that a type is, or is a list or an optional of."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return type_
    return next((found for part in get_args(type_) if (found := _struct_in(part)) is not None), None)


def _located(message: str) -> str:
    """A message of msgspec with the place in front."""
    found = _AT.search(message)
    text = _AT.sub("", message)
    text = text[:1].lower() + text[1:]
    return f"{found['path']}: {text}" if found is not None else text
