"""The quantities of nodes and pods as numbers, to add them up.

Pure. One that cannot be read counts as nothing: a node's word is not the agent's to refuse.
"""

from __future__ import annotations

from decimal import Decimal

from echelon.api import quantities
from echelon.api.quantities import Quantity, render

__all__ = ["Quantity", "parse", "render"]


def parse(quantity: Quantity) -> Decimal:
    """The number that a quantity stands for."""
    try:
        return quantities.parse(quantity)
    except ValueError:
        return Decimal(0)
