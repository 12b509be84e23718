"""The example in the package's own description is run."""

from __future__ import annotations

import doctest

from echelon import rollout


def test_the_example_of_the_package_is_true() -> None:
    found = doctest.testmod(rollout)
    assert found.attempted > 10
    assert found.failed == 0
