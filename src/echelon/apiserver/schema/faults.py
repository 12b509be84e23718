"""What a validation pass finds: a field error, and where in the value it was raised.

The path in a ``FieldError`` is text for people; ``steps`` is the same place for the program, from
the failing node outwards. It is needed to tell, when an object is updated, whether the failing part
is one that the update did not touch (see ``ratcheting``). Only failing values pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from echelon.apiserver.errors import FieldError

STRUCTURE = 0
EMBEDDED = 1
LIST_TYPE = 2

Step = str | int


class Fault:
    """A field error raised in one of the phases above; Kubernetes lists errors phase by phase."""

    __slots__ = ("error", "phase", "steps")

    def __init__(self, error: FieldError, phase: int = STRUCTURE) -> None:
        self.error = error
        self.phase = phase
        self.steps: list[Step] = []


Faults = list[Fault]
Check = Callable[[Any, str, Faults], None]


def step_out(faults: Faults, start: int, step: Step) -> None:
    """Note for the faults from ``start`` on that they were raised below ``step``."""
    for fault in faults[start:]:
        fault.steps.append(step)


def in_order(faults: Faults) -> list[FieldError]:
    """The errors in the order they are told, each once.

    Kubernetes walks properties in the random order of Go maps, so any order within a phase is
    right; grouped by kind of fault and then by path reads best and is stable.
    """
    ordered = sorted(faults, key=lambda fault: (fault.phase, fault.error.reason, fault.error.field))
    return list(dict.fromkeys(fault.error for fault in ordered))
