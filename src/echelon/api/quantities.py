"""Kubernetes quantities as numbers: ``500m`` is a half, ``4Gi`` is 4 * 2**30.

Pure and exact: amounts are decimals, so that what is compared or added up is what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

Quantity = int | str

_SUFFIXES: Mapping[str, Decimal] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_BINARY = ("Ti", "Gi", "Mi", "Ki")
_FORM = re.compile(
    r"(?P<number>[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?)(?P<suffix>[numkMGTPE]?|[KMGTPE]i)", re.ASCII
)


@lru_cache(4096)
def parse(quantity: Quantity) -> Decimal:
    """The number that a quantity stands for.

    Raises:
        ValueError: it is no quantity.
    """
    found = _FORM.fullmatch(str(quantity))
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity; want a number such as 2, 0.5, 500m, 4Gi or 1e3")
    return Decimal(found["number"]) * _SUFFIXES[found["suffix"]]


def render(amount: Decimal) -> str:
    """A quantity for a number: the largest binary unit that divides it, thousandths for a fraction."""
    if amount != amount.to_integral_value():
        return f"{int(amount * 1000)}m"
    whole = int(amount)
    for suffix in _BINARY:
        unit = int(_SUFFIXES[suffix])
        if whole and whole % unit == 0:
            return f"{whole // unit}{suffix}"
    return str(whole)
