"""The status of a ClusterUpgrade at each point of its life. Pure.

Pending, while nothing has been done and something may stand in the way; Running, from the moment
before the platform is asked to begin; then Completed, Skipped or Failed, which nothing changes any
more. The condition STARTED keeps what was found at the start.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from echelon.api.conditions import find_condition, set_condition
from echelon.api.fleet import ErrorDetail
from echelon.api.meta import Condition
from echelon.api.upgrade import ClusterUpgrade, ClusterUpgradeState, ClusterUpgradeStatus
from echelon.upgrade import moments
from echelon.upgrade.providers.contract import Code, Progress

STARTED = "Started"
UPGRADE_STARTED = "UpgradeStarted"
FINAL: frozenset[ClusterUpgradeState] = frozenset({"Completed", "Skipped", "Failed"})

_OUTCOME: dict[str, ClusterUpgradeState] = {"Succeeded": "Completed", "Failed": "Failed", "Aborted": "Failed"}


def is_final(upgrade: ClusterUpgrade) -> bool:
    """Whether nothing more becomes of an upgrade."""
    return upgrade.status.state in FINAL


def pending(
    upgrade: ClusterUpgrade, message: str, code: str | None = None, not_before: datetime | None = None
) -> ClusterUpgradeStatus:
    """Nothing is done yet, and why."""
    return msgspec.structs.replace(
        upgrade.status,
        state="Pending",
        observed_generation=upgrade.metadata.generation,
        message=message,
        error=None if code is None else ErrorDetail(code=code, message=message),
        not_before=moments.write(not_before),
    )


def starting(upgrade: ClusterUpgrade, left: str, now: datetime) -> ClusterUpgradeStatus:
    """The platform is about to be asked. ``left`` is what is left alone, and why."""
    generation = upgrade.metadata.generation
    condition = Condition(STARTED, "True", UPGRADE_STARTED, left, observed_generation=generation)
    return msgspec.structs.replace(
        upgrade.status,
        state="Running",
        observed_generation=generation,
        message="Starting",
        error=None,
        not_before=None,
        start_time=moments.write(now),
        conditions=set_condition(upgrade.status.conditions, condition, now),
    )


def running(upgrade: ClusterUpgrade, progress: Progress, handle: str) -> ClusterUpgradeStatus:
    """The platform is at it."""
    error = None if progress.code is None else ErrorDetail(code=progress.code, message=progress.message)
    queued = "Waiting for the platform to begin"
    return msgspec.structs.replace(
        upgrade.status,
        operation_id=handle,
        message=progress.message or (queued if progress.state == "Queued" else "Upgrading"),
        error=error,
        nodes_done=progress.nodes_done,
        nodes_total=progress.nodes_total,
    )


def troubled(upgrade: ClusterUpgrade, code: Code, message: str) -> ClusterUpgradeStatus:
    """Something is in the way that may pass; the state stays."""
    error = ErrorDetail(code=code, message=message)
    generation = upgrade.metadata.generation
    return msgspec.structs.replace(upgrade.status, message=message, error=error, observed_generation=generation)


def ended(upgrade: ClusterUpgrade, progress: Progress, now: datetime) -> ClusterUpgradeStatus:
    """The platform is through with it."""
    state = _OUTCOME[progress.state]
    if state == "Failed":
        code = progress.code or (Code.ABORTED if progress.state == "Aborted" else Code.UNKNOWN)
        status = failed(upgrade, code, progress.message or "The platform gives no reason", now)
    else:
        started = find_condition(upgrade.status.conditions, STARTED)
        status = completed(upgrade, "" if started is None else started.message, now)
    return msgspec.structs.replace(status, nodes_done=progress.nodes_done, nodes_total=progress.nodes_total)


def completed(upgrade: ClusterUpgrade, message: str, now: datetime) -> ClusterUpgradeStatus:
    """The member is where it should be; ``message`` is what was left alone, and why."""
    return _final(upgrade, "Completed", message, now)


def skipped(upgrade: ClusterUpgrade, message: str, now: datetime) -> ClusterUpgradeStatus:
    """There was nothing to do."""
    return _final(upgrade, "Skipped", message, now)


def failed(upgrade: ClusterUpgrade, code: str, message: str, now: datetime) -> ClusterUpgradeStatus:
    """It did not come off."""
    status = _final(upgrade, "Failed", message, now)
    return msgspec.structs.replace(status, error=ErrorDetail(code=code, message=message))


def _final(upgrade: ClusterUpgrade, state: ClusterUpgradeState, message: str, now: datetime) -> ClusterUpgradeStatus:
    return msgspec.structs.replace(
        upgrade.status,
        state=state,
        observed_generation=upgrade.metadata.generation,
        message=message,
        error=None,
        not_before=None,
        completed_time=moments.write(now),
    )
