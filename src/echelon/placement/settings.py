"""Settings of the placement controllers."""

from __future__ import annotations

import msgspec

from echelon.placement.dialect import DIALECTS, Dialect


class PlacementSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the placement controllers behave; times are in seconds.

    ``snapshot_delay`` gathers changes of selected objects into one snapshot; ``status_interval`` is
    the least time between two writes of a placement's status; ``report_delay`` is how long work
    generation waits for a member's report before it writes that the member is still busy;
    ``run_coalescing`` gathers what happens to the members of a run into one pass, and
    ``run_status_interval`` is the least time between two writes that tell of single members only.
    """

    dialect: Dialect = DIALECTS["azure-docs"]
    snapshot_delay: float = 1.0
    status_interval: float = 0.5
    report_delay: float = 0.25
    run_coalescing: float = 0.01
    run_status_interval: float = 0.1
    workers: int = 8
