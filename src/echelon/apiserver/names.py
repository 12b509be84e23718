"""Rules for names, label keys and values, annotation keys and finalizers.

Each rule takes a text and gives the faults found, in Kubernetes' words; none means the text is good.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

NAME_LIMIT = 253
LABEL_LIMIT = 63

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"

_label = re.compile(_LABEL).fullmatch
_label_1035 = re.compile(_LABEL_1035).fullmatch
_subdomain = re.compile(_SUBDOMAIN).fullmatch
_qualified = re.compile(_QUALIFIED).fullmatch
_value = re.compile(_VALUE).fullmatch


def _shape(rule: str, expression: str, *examples: str) -> str:
    shown = ",  or ".join(f"'{example}'" for example in examples)
    return f"{rule} (e.g. {shown}, regex used for validation is '{expression}')"


_NOT_LABEL = _shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_NOT_LABEL_1035 = _shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_NOT_SUBDOMAIN = _shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_NOT_QUALIFIED = _shape(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_NOT_VALUE = _shape(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _VALUE,
    "MyValue",
    "my_value",
    "12345",
)


def _too_long(text: str, limit: int) -> list[str]:
    return [f"must be no more than {limit} bytes"] if len(text.encode()) > limit else []


def dns_label(text: str) -> list[str]:
    """A lowercase RFC 1123 label: names of namespaces and the like."""
    return _too_long(text, LABEL_LIMIT) + ([] if _label(text) else [_NOT_LABEL])


def dns_1035_label(text: str) -> list[str]:
    """A label that begins with a letter: names of services."""
    return _too_long(text, LABEL_LIMIT) + ([] if _label_1035(text) else [_NOT_LABEL_1035])


def dns_subdomain(text: str) -> list[str]:
    """Labels joined by dots: names of most objects."""
    return _too_long(text, NAME_LIMIT) + ([] if _subdomain(text) else [_NOT_SUBDOMAIN])


def path_segment(text: str) -> list[str]:
    """Anything that stays one segment of a request path: names of RBAC objects."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in text]


NAME_RULES: dict[str, Callable[[str], list[str]]] = {
    "dns-subdomain": dns_subdomain,
    "dns-label": dns_label,
    "dns-1035-label": dns_1035_label,
    "path-segment": path_segment,
}


_LONGEST_KNOWN = 320


@lru_cache(maxsize=4096)
def _known_name(text: str) -> tuple[str, ...]:
    return tuple(_qualified_name(text))


def qualified_name(text: str) -> list[str]:
    """A key: ``name`` or ``prefix/name``, the prefix a DNS subdomain.

    The same few keys come with each write, so what is to be said of them is remembered.
    """
    return list(_known_name(text) if len(text) <= _LONGEST_KNOWN else _qualified_name(text))


def _qualified_name(text: str) -> list[str]:
    if _qualified(text) and len(text) <= LABEL_LIMIT:
        return []
    parts = text.split("/")
    if len(parts) > 2:
        return [
            f"a qualified name {_NOT_QUALIFIED} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')"
        ]
    faults = []
    if len(parts) == 2:
        prefix = parts[0]
        faults = (
            [f"prefix part {fault}" for fault in dns_subdomain(prefix)] if prefix else ["prefix part must be non-empty"]
        )
    name = parts[-1]
    if not name:
        faults.append("name part must be non-empty")
    faults += [f"name part {fault}" for fault in _too_long(name, LABEL_LIMIT)]
    return faults if _qualified(name) else [*faults, f"name part {_NOT_QUALIFIED}"]


def label_value(text: str) -> list[str]:
    return _too_long(text, LABEL_LIMIT) + ([] if _value(text) else [_NOT_VALUE])


_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def is_standard_or_qualified_finalizer(text: str) -> bool:
    """Whether a built-in kind may carry this finalizer."""
    return "/" in text or text in _STANDARD_FINALIZERS
