"""Quantities as numbers and back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.api.quantities import parse, render


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        (2, "2"),
        ("2", "2"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("500m", "0.5"),
        ("-1k", "-1000"),
        ("+4Gi", "4294967296"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("100n", "0.0000001"),
        ("7u", "0.000007"),
    ],
)
def test_parse(quantity: int | str, number: str) -> None:
    assert parse(quantity) == Decimal(number)


@pytest.mark.parametrize("text", ["", "many", "1 Gi", "Gi", "1mi", "0x10", "1e", "--1", "NaN", "Infinity", "1KB", "٣"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity; want a number such as"):
        parse(text)


@given(st.integers(-(10**15), 10**15))
def test_what_is_rendered_can_be_read(thousandths: int) -> None:
    amount = Decimal(thousandths) / 1000
    assert parse(render(amount)) == amount
