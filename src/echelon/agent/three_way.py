"""Client-side apply: the patch that brings an object to a manifest and takes back what an earlier one added.

Three documents meet: the manifest applied last (kept in an annotation of the object), the manifest
now, and the object as it is. A field named now is set; a field named last and no longer is removed;
every other field belongs to somebody else and is left alone. Lists are replaced whole, as in a JSON
merge patch (RFC 7386), unless all they lack is what the server itself filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]


def three_way_patch(last: Document, now: Document, live: Document) -> dict[str, Any]:
    """The merge patch from ``live`` to what ``now`` asks for; empty when nothing has to change.

    Args:
        last: the manifest applied last, empty when there was none.
        now: the manifest to apply.
        live: the object as it is on the cluster.
    """
    changes: dict[str, Any] = {key: None for key in last if key not in now and key in live}
    for key, wanted in now.items():
        if key not in live:
            if wanted is not None:
                changes[key] = wanted
            continue
        have = live[key]
        if isinstance(wanted, Mapping) and isinstance(have, Mapping):
            before = last.get(key)
            inner = three_way_patch(before if isinstance(before, Mapping) else {}, wanted, have)
            if inner:
                changes[key] = inner
        elif isinstance(wanted, list) and isinstance(have, list) and wanted == last.get(key):
            if not covers(have, wanted):
                changes[key] = wanted
        elif wanted != have:
            changes[key] = wanted
    return changes


def covers(have: Any, wanted: Any) -> bool:
    """Whether a value has everything that is wanted, whatever else it has; lists have to be as long.

    A server fills in defaults, in the items of lists too; a list that was applied and only grew such
    fields since has not changed.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(have, Mapping):
            return False
        return all(key in have and covers(have[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and len(have) == len(wanted) and all(map(covers, have, wanted))
    return bool(have == wanted)
