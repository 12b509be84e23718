"""How the next run of a placement is called."""

from __future__ import annotations

import re
from collections.abc import Sequence

from echelon.explain.kinds import Run

NAME_LENGTH = 63


def next_name(placement: str, runs: Sequence[Run]) -> str:
    """The placement's name with a number higher than that of any run called so."""
    base = placement[: NAME_LENGTH - 8].rstrip("-.")
    numbered = re.compile(re.escape(base) + r"-(\d{1,6})")
    used = [int(match[1]) for run in runs if (match := numbered.fullmatch(run.metadata.name))]
    return f"{base}-{max(used, default=0) + 1}"
