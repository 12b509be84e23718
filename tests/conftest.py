"""What all tests share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Random examples find faults where somebody can look at them; what decides over a change repeats the same ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def _loop_of_tests_without_one() -> Iterator[None]:
    """The looptime plugin asks for the current event loop in every test, and would leave one behind unclosed."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
