"""A hub in a process of its own, as the tutorials want it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..processes import HubProcess


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path / "data")
    hub.start()
    try:
        yield hub
    finally:
        hub.close()
