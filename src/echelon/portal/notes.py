"""Who did something here, written down on the object itself, as the ARM face does it.

The API server keeps which program wrote a field and when, not which person. So what is made or changed by way of a
page says whose session it was.
"""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from echelon.api import names
from echelon.api.meta import KubeObject, format_time
from echelon.portal.page import Visit

CREATED_BY = names.OWN_PREFIX + "created-by"
MODIFIED_BY = names.OWN_PREFIX + "last-modified-by"
MODIFIED_AT = names.OWN_PREFIX + "last-modified-at"

K = TypeVar("K", bound=KubeObject)


def made_by(visit: Visit, obj: K) -> K:
    """An object that the user is about to make."""
    return _noted(changed_by(visit, obj), CREATED_BY, visit.user.name)


def changed_by(visit: Visit, obj: K) -> K:
    """An object that the user is about to change."""
    return _noted(_noted(obj, MODIFIED_BY, visit.user.name), MODIFIED_AT, format_time(visit.now))


def _noted(obj: K, name: str, value: str) -> K:
    annotations = {**obj.metadata.annotations, name: value}
    return replace(obj, metadata=replace(obj.metadata, annotations=annotations))
