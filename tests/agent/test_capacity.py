"""Quantities, and what pods take of their nodes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echelon.agent.capacity import Pod, requests_of
from echelon.agent.quantities import parse, render
from echelon.api.meta import from_dict


@pytest.mark.parametrize(
    ("quantity", "number"),
    [
        (2, "2"),
        ("2", "2"),
        ("500m", "0.5"),
        ("1.5", "1.5"),
        ("1Ki", "1024"),
        ("1k", "1000"),
        ("2Gi", str(2 * 2**30)),
        ("1e3", "1000"),
        ("1E", "1000000000000000000"),
        ("100u", "0.0001"),
        ("5n", "0.000000005"),
        ("nonsense", "0"),
        ("", "0"),
        ("NaN", "0"),
        ("Infinity", "0"),
    ],
)
def test_parse(quantity: int | str, number: str):
    assert parse(quantity) == Decimal(number)


@pytest.mark.parametrize(
    ("number", "quantity"),
    [("0", "0"), ("2", "2"), ("0.5", "500m"), ("1024", "1Ki"), ("1000", "1000"), ("8589934592", "8Gi")],
)
def test_render(number: str, quantity: str):
    assert render(Decimal(number)) == quantity


@given(st.integers(0, 10**18))
def test_what_is_rendered_can_be_read(thousandths: int):
    amount = Decimal(thousandths) / 1000
    assert parse(render(amount)) == amount


def container(cpu: str, **fields: Any) -> dict[str, Any]:
    return {"name": "x", "resources": {"requests": {"cpu": cpu}}, **fields}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, "1.5"),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, "3"),
        ({"containers": [container("2")], "initContainers": [container("1", restartPolicy="Always")]}, "3"),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("1", restartPolicy="Always"), container("4")],
            },
            "5",
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, "1.25"),
        ({"containers": [{"name": "x"}]}, "0"),
    ],
)
def test_what_a_pod_asks_for(spec: dict[str, Any], cpu: str):
    pod = from_dict(Pod, {"metadata": {"name": "p"}, "spec": {"nodeName": "n", **spec}})
    assert requests_of(pod)[0] == Decimal(cpu)


@pytest.mark.parametrize(
    "changes",
    [{"status": {"phase": "Succeeded"}}, {"status": {"phase": "Failed"}}, {"spec": {"containers": [container("1")]}}],
)
def test_pods_that_take_nothing(changes: dict[str, Any]):
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [container("1")]}} | changes
    assert requests_of(from_dict(Pod, pod))[0] == 0
