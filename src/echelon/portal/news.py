"""Which changes of objects a page could show.

Members report every minute: that a heartbeat came, and when figures were read, is written without anything having
changed that people look at. With a thousand members that would be a change of every page many times a second.
"""

from __future__ import annotations

from typing import Any

from echelon.api.cluster import MemberCluster
from echelon.kube.informer import Change


def is_news(change: Change[Any]) -> bool:
    """Whether somebody who looks at a page should see a change."""
    old, new = change.old, change.new
    if not isinstance(old, MemberCluster) or not isinstance(new, MemberCluster):
        return True
    return _shown(old) != _shown(new)


def _shown(member: MemberCluster) -> tuple[object, ...]:
    """What is shown of a member."""
    status = member.status
    return (
        member.metadata.labels,
        member.metadata.annotations,
        member.metadata.deletion_timestamp,
        member.spec,
        [(condition.type, condition.status, condition.message) for condition in status.conditions],
        {name: value.value for name, value in status.properties.items()},
    )
