"""Quantities (``500m``, ``1Gi``) in expressions: a tagged text with the amount as a plain decimal."""

from __future__ import annotations

from decimal import Decimal

from echelon.apiserver.builtin.quantity import parse

TAG = "\x01quantity "
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)


def amount_of(value: str) -> Decimal:
    """The amount of a quantity, or of a text that is one."""
    return Decimal(value.removeprefix(TAG)) if value.startswith(TAG) else parse(value)


def _tagged(amount: Decimal) -> str:
    return f"{TAG}{amount.normalize():f}"


def is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def quantity(text: str) -> str:
    return _tagged(parse(text))


def _own_amount(value: str) -> Decimal:
    if not value.startswith(TAG):
        raise TypeError("no such overload: a quantity is needed")
    return amount_of(value)


def sign_of(value: str) -> int:
    amount = _own_amount(value)
    return (amount > 0) - (amount < 0)


def is_integer(value: str) -> bool:
    amount = _own_amount(value)
    return amount == amount.to_integral_value() and _SMALLEST <= amount <= _LARGEST


def as_integer(value: str) -> int:
    if not is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_own_amount(value))


def as_approximate_float(value: str) -> float:
    return float(_own_amount(value))


def add(value: str, other: str | int) -> str:
    return _tagged(_own_amount(value) + (Decimal(other) if isinstance(other, int) else amount_of(other)))


def subtract(value: str, other: str | int) -> str:
    return _tagged(_own_amount(value) - (Decimal(other) if isinstance(other, int) else amount_of(other)))
