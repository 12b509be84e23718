"""Quantities: amounts of resources such as ``500m`` or ``1Gi``.

A quantity is a decimal number with a binary (``Ki`` … ``Ei``) or decimal (``n`` … ``E``, ``e3``)
suffix. Kubernetes writes each amount in one way only, in the family of suffixes it came in: whole
digits and the largest suffix that loses nothing.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

MALFORMED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SMALLEST = Decimal("1e-9")


def parse(text: str) -> Decimal:
    """The amount.

    Raises:
        ValueError: the text is not a quantity; the message is what Kubernetes answers.
    """
    number, suffix = _split(text)
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    return number.scaleb(_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The one way to write this amount.

    Raises:
        ValueError: the text is not a quantity; the message is what Kubernetes answers.
    """
    suffix = _split(text)[1]
    amount = parse(text)
    if suffix in _BINARY and amount == amount.to_integral_value() and abs(amount) >= 1024:
        return _binary(int(amount))
    return _decimal(amount, exponent=suffix[:1] in {"e", "E"} and suffix != "E")


def _split(text: str) -> tuple[Decimal, str]:
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(MALFORMED)
    suffix = match[2] or ""
    if suffix[:1] in {"e", "E"} and suffix[1:] and abs(int(suffix[1:])) > 60:
        raise ValueError(MALFORMED)
    return Decimal(match[1]), suffix


def _binary(amount: int) -> str:
    power = 0
    while power < len(_BINARY) and amount % 1024 == 0:
        amount //= 1024
        power += 1
    return str(amount) + (list(_BINARY)[power - 1] if power else "")


def _decimal(amount: Decimal, exponent: bool) -> str:
    amount = amount.quantize(_SMALLEST, rounding=ROUND_CEILING) if abs(amount) < 10**18 else amount
    if amount == 0:
        return "0"
    scale = -9
    units = amount.scaleb(9).to_integral_value(rounding=ROUND_CEILING)
    digits = int(units)
    while scale < 18 and digits % 1000 == 0:
        digits //= 1000
        scale += 3
    if exponent:
        return f"{digits}e{scale}" if scale else str(digits)
    return str(digits) + next(name for name, power in _DECIMAL.items() if power == scale)
