"""Envelopes: objects to be placed that must not take effect on the hub itself.

The manifests in ``data`` stay JSON text (see ``fields.Manifest``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from echelon.api.fields import Field
from echelon.api.meta import KubeObject, Resource
from echelon.api.placement import GROUP

DATA = Field("The objects, whole, each under a name of its own.", min_properties=1, max_properties=50)


class ClusterResourceEnvelope(KubeObject, frozen=True, kw_only=True):
    """Wraps cluster-scoped objects, so that they are placed on members without being created on the hub."""

    resource: ClassVar[Resource] = Resource(
        GROUP, "v1beta1", "clusterresourceenvelopes", "ClusterResourceEnvelope", namespaced=False
    )

    data: Annotated[Mapping[str, msgspec.Raw], DATA]


class ResourceEnvelope(KubeObject, frozen=True, kw_only=True):
    """Wraps objects of its namespace, so that they are placed on members without being created on the hub."""

    resource: ClassVar[Resource] = Resource(GROUP, "v1beta1", "resourceenvelopes", "ResourceEnvelope", namespaced=True)

    data: Annotated[Mapping[str, msgspec.Raw], DATA]
