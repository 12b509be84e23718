"""Objects with what the API server keeps of their writers: which program last wrote what, and when.

Typed kinds leave that out, as nothing acts on it and it is half of every object. Only the page that tells who did
what reads these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from echelon.api.cluster import MemberCluster
from echelon.api.fleet import UpdateRun, UpdateStrategy
from echelon.api.meta import KubeObject, ObjectMeta, Resource
from echelon.api.placement import ClusterResourcePlacement, ResourcePlacement
from echelon.api.staged import (
    ClusterStagedUpdateRun,
    ClusterStagedUpdateStrategy,
    StagedUpdateRun,
    StagedUpdateStrategy,
)
from echelon.api.upgrade import AutoUpgradeProfile, ReleaseCatalog


class Write(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The last write of a program to an object, or to a part of it."""

    manager: str = ""
    operation: str = ""
    time: str | None = None
    subresource: str = ""


class WrittenMeta(ObjectMeta, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """Metadata with its writers."""

    managed_fields: Sequence[Write] = ()


class Written(KubeObject, frozen=True, kw_only=True):
    """An object of which only the metadata matters."""

    resource: ClassVar[Resource]
    metadata: WrittenMeta = WrittenMeta()


def _of(kind: type[KubeObject]) -> type[Written]:
    """The kind with its writers, under a name of its own."""
    return type(f"Written{kind.__name__}", (Written,), {"resource": kind.resource, "__module__": __name__})


_KINDS: Sequence[type[KubeObject]] = (
    UpdateRun,
    UpdateStrategy,
    AutoUpgradeProfile,
    ReleaseCatalog,
    MemberCluster,
    ClusterResourcePlacement,
    ResourcePlacement,
    ClusterStagedUpdateRun,
    StagedUpdateRun,
    ClusterStagedUpdateStrategy,
    StagedUpdateStrategy,
)
WRITTEN: Sequence[type[Written]] = tuple(map(_of, _KINDS))
"""What people write."""
