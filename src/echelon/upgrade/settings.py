"""Settings of the update run controllers."""

from __future__ import annotations

import msgspec


class UpgradeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How update runs behave; times are in seconds.

    ``max_stage_concurrency`` is the most members of a stage that are upgraded at a time, whatever its strategy says.
    ``run_coalescing`` gathers what happens to the members of a run into one pass; ``status_interval`` is the least
    time between two writes of a run's status while members come and go (changes of the run itself are not held back).
    ``auto_upgrade_coalescing`` is how long an auto-upgrade profile lets members and catalogues gather before it looks.
    """

    max_stage_concurrency: int = 50
    run_coalescing: float = 0.005
    status_interval: float = 0.1
    status_interval_per_member: float = 0.0001
    max_status_bytes: int = 1_400_000
    auto_upgrade_coalescing: float = 1.0
    workers: int = 4
