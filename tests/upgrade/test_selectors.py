"""Label selectors as kubectl writes them."""

from __future__ import annotations

import pytest

from echelon.upgrade.selectors import InvalidSelector, parse

LABELS = {"env": "prod", "tier": "edge", "kubernetes.io/zone": "a"}


@pytest.mark.parametrize(
    "text",
    [
        "env=prod",
        "env==prod",
        "env = prod",
        "env!=test",
        "missing!=test",
        "env",
        "!missing",
        "env in (prod, test)",
        "env notin (test)",
        "kubernetes.io/zone=a",
        "env=prod,tier!=core,kubernetes.io/zone in (a,b),!spot",
    ],
)
def test_matches(text: str) -> None:
    assert parse(text).matches(LABELS)


@pytest.mark.parametrize(
    "text", ["env=test", "!env", "missing", "env in (test)", "env notin (prod)", "env=prod,missing"]
)
def test_does_not_match(text: str) -> None:
    assert not parse(text).matches(LABELS)


@pytest.mark.parametrize("text", ["", ",", "env=prod,", "a b", "env in prod", "env in (a b)", "=x", "env=pröd"])
def test_no_selector(text: str) -> None:
    with pytest.raises(InvalidSelector, match="is no term of a label selector"):
        parse(text)
