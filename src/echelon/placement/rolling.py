"""Rolling updates: which bindings of a placement may change now without taking too much away at once.

Pure. A placement wants a number of members to be served (``target``). At most ``max_unavailable`` of
them may lack what they should have, and at most ``max_surge`` more may be served on the way; members
that only report differences are not served. What already fails is changed without waiting, as nothing
is lost by it; the rest follows within these two bounds: first members that are no longer wanted are
emptied, then outdated ones are updated, and new ones are served. The rules are KubeFleet's (reference,
section 3.7).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from echelon.api.binding import BOUND, SCHEDULED, UNSCHEDULED
from echelon.api.conditions import (
    APPLIED,
    AVAILABLE,
    DIFF_REPORTED,
    NOT_ALL_WORK_TRACKABLE,
    OVERRIDDEN,
    ROLLOUT_STARTED,
    WORK_NOT_TRACKABLE,
    WORK_SYNCHRONIZED,
    find_condition,
)
from echelon.api.meta import Condition, parse_time
from echelon.api.placement import RollingUpdateConfig
from echelon.placement.scope import Binding

# Reasons of a condition that is False while a member is merely busy.
_BUSY = frozenset(
    {
        "OverriddenPending",
        "WorkNotSynchronizedYet",
        "ApplyPending",
        "ApplyInProgress",
        "ResourceNotAvailableYet",
        "NotAllWorkAreAvailable",
    }
)


class Pace(msgspec.Struct, frozen=True):
    """What a rolling update does now.

    ``update`` are bindings to be given the latest snapshot, ``delete`` those whose member is to be
    emptied, ``blocked`` those that have to wait for others. ``wait`` is how long until a member whose
    availability cannot be tracked counts as available; None when nothing waits for that.
    """

    update: Sequence[Binding]
    delete: Sequence[Binding]
    blocked: Sequence[Binding]
    wait: timedelta | None = None


def share(bound: int | str, total: int) -> int:
    """A number of members: a count, or a percentage of ``total`` that is rounded up."""
    if isinstance(bound, int):
        return bound
    if bound.endswith("%"):
        return -(-int(bound[:-1]) * total // 100)
    return int(bound)


def pace(
    bindings: Sequence[Binding],
    outdated: Mapping[str, bool],
    target: int,
    config: RollingUpdateConfig,
    now: datetime,
) -> Pace:
    """Decide what to do with the bindings of a placement.

    Args:
        bindings: all of them.
        outdated: by name, whether a binding has to be given something else than it has.
        target: how many members the placement wants.
        config: the bounds.
        now: to tell how long a member that cannot be tracked has had what it has.
    """
    period = timedelta(seconds=config.unavailable_period_seconds)
    waits = {binding.metadata.name: ready_in(binding, now, period) for binding in bindings}
    ready = [binding for binding in bindings if waits[binding.metadata.name] == timedelta(0)]
    going = [binding for binding in ready if binding.metadata.deletion_timestamp is not None]
    alive = sorted((b for b in bindings if b.metadata.deletion_timestamp is None), key=_order)
    may_take = len(ready) - len(going) - (target - share(config.max_unavailable, target))
    hopeful = [
        b for b in bindings if b.spec.state in (BOUND, UNSCHEDULED) and not has_failed(b) and not reports_differences(b)
    ]
    may_add = target + share(config.max_surge, target) - len(hopeful)

    update = [b for b in alive if b.spec.state == BOUND and outdated[b.metadata.name] and has_failed(b)]
    unwanted = [b for b in alive if b.spec.state == UNSCHEDULED]
    stale = [b for b in alive if b.spec.state == BOUND and outdated[b.metadata.name] and b not in update]
    delete: list[Binding] = []
    blocked: list[Binding] = []
    for binding in (*unwanted, *stale):
        counts = waits[binding.metadata.name] == timedelta(0)
        if counts and may_take <= 0:
            blocked.append(binding)
            continue
        may_take -= counts
        (delete if binding.spec.state == UNSCHEDULED else update).append(binding)
    for binding in (b for b in alive if b.spec.state == SCHEDULED):
        if may_add <= 0:
            blocked.append(binding)
            continue
        may_add -= 1
        update.append(binding)
    pending = [wait for wait in waits.values() if wait is not None and wait > timedelta(0)]
    return Pace(update, delete, blocked, min(pending, default=None))


def _order(binding: Binding) -> tuple[str, str]:
    return binding.spec.target_cluster, binding.metadata.name


def _current(binding: Binding, type_: str) -> Condition | None:
    condition = find_condition(binding.status.conditions, type_)
    if condition is None or condition.observed_generation != binding.metadata.generation:
        return None
    return condition


def ready_in(binding: Binding, now: datetime, period: timedelta) -> timedelta | None:
    """How long until a binding counts as ready: zero when it is, None when that is not a matter of time."""
    reported = _current(binding, DIFF_REPORTED)
    if reported is not None and reported.status == "True":
        return timedelta(0)
    available = _current(binding, AVAILABLE)
    if available is None or available.status != "True":
        return None
    if available.reason not in (NOT_ALL_WORK_TRACKABLE, WORK_NOT_TRACKABLE):
        return timedelta(0)
    started = _current(binding, ROLLOUT_STARTED)
    given = (available, started) if started is not None and started.status == "True" else (available,)
    since = max(parse_time(condition.last_transition_time) for condition in given)
    return max(timedelta(0), since + period - now)


def reports_differences(binding: Binding) -> bool:
    """Whether a member reports how it differs from what a binding has, and so was given nothing of it."""
    return _current(binding, DIFF_REPORTED) is not None


def has_failed(binding: Binding) -> bool:
    """Whether what a binding has cannot come right by itself."""
    for type_ in (OVERRIDDEN, WORK_SYNCHRONIZED, APPLIED, AVAILABLE):
        condition = _current(binding, type_)
        if condition is not None and condition.status == "False" and condition.reason not in _BUSY:
            return True
    reported = _current(binding, DIFF_REPORTED)
    return reported is not None and reported.status == "False"
