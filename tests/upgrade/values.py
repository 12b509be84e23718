"""Short ways to the values that the pure modules work on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from echelon.api.fleet import UpdateRun, UpdateRunSpec, UpdateRunStatus, UpdateRunStrategy
from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import ReleaseCatalog
from echelon.upgrade import planning
from echelon.upgrade.members import Member
from echelon.upgrade.releases import Releases, releases_of
from echelon.upgrade.settings import UpgradeSettings
from echelon.upgrade.validation import Surroundings
from echelon.upgrade.versions import ImageVersion, KubeVersion

from .hub import full

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
IMAGE = "AKSUbuntu-2204gen2containerd"


def member(name: str, group: str = "", version: str = "1.30.0", region: str = "", **fields: Any) -> Member:
    """A member; ``labels`` and ``images`` as they are written."""
    images = tuple(map(ImageVersion.parse, fields.pop("images", ())))
    found = None if not version else KubeVersion.parse(version)
    return Member(name=name, group=group, kubernetes_version=found, region=region, node_images=images, **fields)


def strategy(order: Mapping[str, Any]) -> UpdateRunStrategy:
    return msgspec.convert(order, UpdateRunStrategy)


def run_of(update: Mapping[str, Any] | None = None, name: str = "run", **spec: Any) -> UpdateRun:
    """A run; a Full upgrade to 1.30.4 unless said otherwise."""
    labels, status = spec.pop("labels", {}), spec.pop("status", UpdateRunStatus(state="NotStarted"))
    content = {"managedClusterUpdate": update or full("1.30.4"), **spec}
    metadata = ObjectMeta(name=name, uid=f"uid-{name}", generation=1, labels=labels)
    return UpdateRun(metadata=metadata, spec=msgspec.convert(content, UpdateRunSpec), status=status)


def releases(kubernetes: Mapping[str, Any], images: Mapping[str, Any] | None = None) -> Releases:
    """Versions and images, each with its regions (none: everywhere)."""
    versions = [{"version": version, "regions": list(regions)} for version, regions in kubernetes.items()]
    families = [(image.rpartition("-"), regions) for image, regions in (images or {}).items()]
    found = [{"family": name[0], "version": name[2], "regions": list(regions)} for name, regions in families]
    catalog = msgspec.convert({"spec": {"kubernetesVersions": versions, "nodeImages": found}}, ReleaseCatalog)
    return releases_of([catalog], NOW)


def around(
    *members: Member, strategies: Mapping[str, UpdateRunStrategy] | None = None, known: Releases | None = None
) -> Surroundings:
    return Surroundings(members=members, strategies=strategies or {}, releases=known or Releases())


def planned(order: Mapping[str, Any] | None, *members: Member, **fields: Any) -> UpdateRunStatus:
    """The status of a run that is planned."""
    found = None if order is None else strategy(order)
    stages = planning.planned(found, members, UpgradeSettings())
    return UpdateRunStatus(state="NotStarted", strategy=found, stages=stages, observed_generation=1, **fields)
