"""Figures: what was measured, how it spread, and the budget it has."""

from __future__ import annotations

import json
import resource
import statistics
from collections.abc import Sequence
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured value. ``budget`` is the most that is allowed, ``at_least`` the least; None when there is none."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    spread: str = ""
    at_least: float | None = None

    @property
    def met(self) -> bool:
        return (self.budget is None or self.value <= self.budget) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bounds(self) -> str:
        """The budget in words."""
        bounds = [
            f"{sign} {bound:,g} {self.unit}"
            for sign, bound in ((">=", self.at_least), ("<=", self.budget))
            if bound is not None
        ]
        return ", ".join(bounds)

    def plain(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Figure:
        return cls(**plain)


def quantile(samples: Sequence[float], fraction: float) -> float:
    """The value below which that fraction of the samples lies."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


def spread(samples: Sequence[float], digits: int = 1) -> str:
    """Least, median and greatest of the samples."""
    return (
        f"{min(samples):.{digits}f} … {statistics.median(samples):.{digits}f} … {max(samples):.{digits}f}, "
        f"n={len(samples)}"
    )


def peak_memory() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    rows = [("what", "measured", "budget", "least … median … greatest")]
    for figure in figures:
        mark = "" if figure.met else "  (missed)"
        rows.append((figure.name, f"{_rounded(figure.value)} {figure.unit}{mark}", figure.bounds, figure.spread))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _rounded(value: float) -> str:
    """Three digits, and no exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def emit(figures: Sequence[Figure]) -> None:
    """Hand the figures to the process that started this one."""
    print(json.dumps([figure.plain() for figure in figures]))
