"""The roles that are checked in, and what must never be in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from echelon.api import placement
from echelon.api.crds import DEFINITIONS
from echelon.api.roles import Role, file_name, manifests

CHECKED_IN = Path(__file__).parents[2] / "deploy" / "roles"
BY_NAME = {role["metadata"]["name"]: role for role in manifests()}
HOLD_OBJECTS = ("works", "clusterresourcesnapshots", "clusterresourceenvelopes", "resourceenvelopes")


def test_the_checked_in_files_are_those_made_here() -> None:
    """After a change: ``python -m echelon.api.roles deploy/roles``."""
    assert {path.name for path in CHECKED_IN.glob("*.yaml")} == {file_name(role) for role in manifests()}
    for role in manifests():
        assert yaml.safe_load((CHECKED_IN / file_name(role)).read_text()) == role


def resources(role: Role) -> set[str]:
    return {
        resource for rule in role["rules"] if placement.GROUP in rule["apiGroups"] for resource in rule["resources"]
    }


@pytest.mark.parametrize("audience", ["viewer", "team"])
def test_whole_objects_are_kept_from_those_who_may_not_read_secrets(audience: str) -> None:
    found = resources(BY_NAME[f"echelon:aggregate-to-{audience}"])
    assert found.isdisjoint({*HOLD_OBJECTS, "*"})
    assert audience == "team" or "resourcesnapshots" not in found


@pytest.mark.parametrize("audience", ["viewer", "team"])
def test_every_kind_of_a_role_exists(audience: str) -> None:
    served = {definition.kind.resource.plural for definition in DEFINITIONS}
    assert {name.partition("/")[0] for name in resources(BY_NAME[f"echelon:aggregate-to-{audience}"])} <= served


def test_a_viewer_changes_nothing() -> None:
    for role in ("echelon:aggregate-to-viewer", "echelon:member-viewer"):
        for rule in BY_NAME[role]["rules"]:
            assert set(rule["verbs"]) == {"get", "list", "watch"}
            assert "secrets" not in rule["resources"]
            assert "" not in rule["apiGroups"] or "*" not in rule["resources"]
