"""The page on auto-upgrade names every channel, condition and reason."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from echelon.api.upgrade import UpgradeChannel
from echelon.upgrade.autoupgrade import controller, decision, history

PAGE = (Path(__file__).parents[3] / "docs" / "auto-upgrade.md").read_text()
CONSTANTS = [
    value
    for module in (controller, decision)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str) and not name.startswith("_")
]


@pytest.mark.parametrize(
    "word", sorted({*CONSTANTS, *get_args(UpgradeChannel), *get_args(history.Trigger), history.TRIGGER})
)
def test_every_word_is_documented(word: str) -> None:
    assert f"`{word}`" in PAGE
