"""Quantities and their one way to be written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.apiserver.builtin import quantity


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("1", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1000m", "1"),
        ("1000", "1k"),
        ("1024", "1024"),
        ("1500", "1500"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("100Ti", "100Ti"),
        ("1e3", "1e3"),
        ("1E", "1E"),
        ("12e6", "12e6"),
        ("-1", "-1"),
        ("+2", "2"),
        (".5", "500m"),
        ("0.1n", "1n"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "a", "1 Gi", "1kb", "--1", "1.2.3", "Ki", "1i", "1e", "1e99999"])
def test_what_is_no_quantity_is_refused_in_kubernetes_words(text: str) -> None:
    with pytest.raises(ValueError, match="quantities must match the regular expression"):
        quantity.canonical(text)


_SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "e3", "E-2"]


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=3), st.sampled_from(_SUFFIXES))
def test_canonical_text_is_settled_and_never_less(number: Decimal, suffix: str) -> None:
    text = f"{number}{suffix}"
    once = quantity.canonical(text)
    assert quantity.canonical(once) == once
    assert 0 <= quantity.parse(once) - quantity.parse(text) <= Decimal("1e-9")
