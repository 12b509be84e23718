"""Short ways to profiles and what they see."""

from __future__ import annotations

from typing import Any

import msgspec

from echelon.api.meta import ObjectMeta
from echelon.api.upgrade import AutoUpgradeProfile, AutoUpgradeProfileSpec, ReleaseCatalog
from echelon.upgrade.releases import Releases, releases_of

from ..values import NOW


def profile(channel: str = "Rapid", name: str = "p", **spec: Any) -> AutoUpgradeProfile:
    """A profile; ``spec`` as in its manifest."""
    content = msgspec.convert({"channel": channel, **spec}, AutoUpgradeProfileSpec)
    return AutoUpgradeProfile(metadata=ObjectMeta(name=name, uid=f"uid-{name}", generation=1), spec=content)


def target(minor: str, **spec: Any) -> AutoUpgradeProfile:
    """A profile that stays on a minor version."""
    return profile("TargetKubernetesVersion", targetKubernetesVersion=minor, **spec)


def known(*versions: str | dict[str, Any], images: tuple[dict[str, Any], ...] = ()) -> Releases:
    """Releases as catalogues list them."""
    entries = [entry if isinstance(entry, dict) else {"version": entry} for entry in versions]
    spec = {"kubernetesVersions": entries, "nodeImages": list(images)}
    return releases_of([msgspec.convert({"spec": spec}, ReleaseCatalog)], NOW)


def image(version: str, *regions: str, family: str = "Ubuntu") -> dict[str, Any]:
    return {"family": family, "version": version, "regions": list(regions)}
