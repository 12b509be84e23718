"""Kubernetes' named formats in expressions: ``format.dns1123Label().validate(self.name)``.

``validate`` gives an optional list of problems and ``format.named`` an optional format; the runtime
takes no optional values from Python, so both are lists here, empty for none, and ``hasValue`` and
``value`` are declared for lists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from echelon.apiserver import names
from echelon.apiserver.schema.formats import string_format

TAG = "\x01format "


def _prefixed(rule: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """The rule for a text that more will follow: it may end in a dash."""
    return lambda text: rule(text[:-1] + "a" if text.endswith("-") else text)


def _shaped(name: str, problem: str) -> Callable[[str], list[str]]:
    holds = string_format(name)
    return lambda text: [] if holds is None or holds(text) else [problem]


_RULES: Mapping[str, Callable[[str], list[str]]] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "dns1123LabelPrefix": _prefixed(names.dns_label),
    "dns1123SubdomainPrefix": _prefixed(names.dns_subdomain),
    "dns1035LabelPrefix": _prefixed(names.dns_1035_label),
    "qualifiedName": names.qualified_name,
    "labelValue": names.label_value,
    "uri": _shaped("uri", "invalid URI"),
    "uuid": _shaped("uuid", "does not match the UUID format"),
    "byte": _shaped("byte", "invalid base64"),
    "date": _shaped("date", "invalid date"),
    "datetime": _shaped("datetime", "invalid datetime"),
}


def constants() -> dict[str, Callable[[], str]]:
    """The functions ``format.<name>()``."""
    return {name: partial(str, TAG + name) for name in _RULES}


def named(name: str) -> list[str]:
    return [TAG + name] if name in _RULES else []


def validate(form: str, text: str) -> list[str]:
    """What is wrong with the text; empty when it has the format."""
    if not form.startswith(TAG):
        raise TypeError("no such overload: a format is needed")
    return _RULES[form.removeprefix(TAG)](text)


def has_value(values: Sequence[Any]) -> bool:
    return bool(values)


def value(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("optional.none() dereference")
    return values[0] if str(values[0]).startswith(TAG) else list(values)
