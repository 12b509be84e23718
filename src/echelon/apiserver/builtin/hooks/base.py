"""The shape of a kind's behaviour, and rules that several kinds share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from echelon.apiserver import names
from echelon.apiserver.definitions import Object
from echelon.apiserver.errors import FieldError, invalid_value, required, unsupported_value

Faults = Iterable[FieldError]

NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"


def _nothing_new(obj: Object) -> None:
    return None


def _nothing_carried(obj: Object, old: Object) -> None:
    return None


def _no_faults(obj: Object, old: Object | None, subresource: str) -> Faults:
    return ()


class KindHooks(msgspec.Struct, frozen=True):
    """Behaviour made of functions; each does what ``definitions.Hooks`` says of the method it serves."""

    create: Callable[[Object], None] = _nothing_new
    update: Callable[[Object, Object], None] = _nothing_carried
    check: Callable[[Object, Object | None, str], Faults] = _no_faults

    def prepare_create(self, obj: Object) -> None:
        self.create(obj)

    def prepare_update(self, obj: Object, old: Object) -> None:
        self.update(obj, old)

    def validate(self, obj: Object, old: Object | None, subresource: str) -> list[FieldError]:
        return list(self.check(obj, old, subresource))


def not_negative(holder: Mapping[str, Any], path: str, *fields: str) -> Iterator[FieldError]:
    for field in fields:
        value = holder.get(field, 0)
        if value < 0:
            yield invalid_value(f"{path}.{field}", value, NOT_NEGATIVE)


def immutable(obj: Object, old: Object | None, path: str) -> Iterator[FieldError]:
    """The value at a dotted path must stay what it was."""
    if old is not None and (value := lookup(obj, path)) != lookup(old, path):
        yield invalid_value(path, value, IMMUTABLE)


def lookup(obj: Object, path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = obj
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


_PERCENT = re.compile(r"\d+%")


def amount_or_percent(value: int | str | None, path: str) -> Iterator[FieldError]:
    """A count that is not negative, or a percentage."""
    if isinstance(value, int) and value < 0:
        yield invalid_value(path, value, NOT_NEGATIVE)
    elif isinstance(value, str) and not _PERCENT.fullmatch(value):
        shape = "a valid percent string must be a numeric string followed by an ending '%'"
        yield invalid_value(path, value, f"{shape} (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")


def is_zero_amount(value: int | str | None) -> bool:
    return value in (0, "0%")


_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")


def label_selector(selector: Object | None, path: str) -> Iterator[FieldError]:
    """A ``metav1.LabelSelector`` must be well formed."""
    if selector is None:
        return
    for key, value in selector.get("matchLabels", {}).items():
        for fault in names.qualified_name(key):
            yield invalid_value(f"{path}.matchLabels", key, fault)
        for fault in names.label_value(value):
            yield invalid_value(f"{path}.matchLabels", value, fault)
    for index, term in enumerate(selector.get("matchExpressions", ())):
        yield from _selector_term(term, f"{path}.matchExpressions[{index}]")


def _selector_term(term: Object, path: str) -> Iterator[FieldError]:
    operator, values = term.get("operator", ""), term.get("values")
    if operator in _WITH_VALUES and not values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _WITHOUT_VALUES and values:
        why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield FieldError("FieldValueForbidden", f"{path}.values", f"Forbidden: {why}")
    elif operator not in (*_WITH_VALUES, *_WITHOUT_VALUES):
        yield invalid_value(f"{path}.operator", operator, "not a valid selector operator")
    for fault in names.qualified_name(term.get("key", "")):
        yield invalid_value(f"{path}.key", term.get("key", ""), fault)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, known to be well formed, matches these labels."""
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        _term_holds(term, labels) for term in selector.get("matchExpressions", ())
    )


def _term_holds(term: Object, labels: Mapping[str, str]) -> bool:
    key, values = term.get("key", ""), term.get("values", ())
    match term.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def is_empty_selector(selector: Object) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def one_of(value: str, path: str, *choices: str) -> Iterator[FieldError]:
    if value not in choices:
        yield unsupported_value(path, value, choices)


def duplicate(path: str, value: str) -> FieldError:
    return FieldError("FieldValueDuplicate", path, f'Duplicate value: "{value}"')
