"""Names that clients rely on, spelled out."""

import pytest

from echelon.api import names


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (names.member_namespace("member1"), "fleet-member-member1"),
        (names.member_role("member1"), "fleet-role-member1"),
        (names.member_role_binding("member1"), "fleet-rolebinding-member1"),
        (names.policy_snapshot("web", 3), "web-3"),
        (names.resource_snapshot("web", 3), "web-3-snapshot"),
        (names.resource_snapshot("web", "3"), "web-3-snapshot"),
        (names.resource_snapshot_part("web", 3, 0), "web-3-0"),
        (names.override_snapshot("labels", 1), "labels-1"),
        (names.binding("web", "c1", "1a2b3c4d"), "web-c1-1a2b3c4d"),
        (names.work(names.work_base("web")), "web-work"),
        (names.work(names.work_base("web", "team"), 2), "team.web-2"),
        (names.PARENT_PLACEMENT, "kubernetes-fleet.io/parent-CRP"),
        (names.IS_LATEST_SNAPSHOT, "kubernetes-fleet.io/is-latest-snapshot"),
        (names.RESOURCE_INDEX, "kubernetes-fleet.io/resource-index"),
        (names.STAGED_RUN_CLEANUP, "kubernetes-fleet.io/stagedupdaterun-finalizer"),
        (names.DELETE_STAGE, "kubernetes-fleet.io/deleteStage"),
        (names.UPDATE_GROUP, "fleet.echelon.dev/update-group"),
    ],
)
def test_names(made: str, wanted: str) -> None:
    assert made == wanted


def test_a_binding_name_fits_a_label_value() -> None:
    made = names.binding("p" * 63, "c" * 63, "1a2b3c4d")
    assert made == "p" * 26 + "-" + "c" * 27 + "-1a2b3c4d"
    assert len(made) <= 63


def test_envelopes_of_one_name_have_works_of_their_own() -> None:
    works = {
        names.envelope_work("web", kind, namespace, "env")
        for kind in ("ClusterResourceEnvelope", "ResourceEnvelope")
        for namespace in ("", "team")
    }
    assert len(works) == 4
    assert all(work.startswith("web-envelope-") and len(work) == len("web-envelope-") + 16 for work in works)


def test_members_and_their_namespaces() -> None:
    assert names.member_of_namespace("fleet-member-member1") == "member1"
    assert names.member_of_namespace("fleet-system") is None


@pytest.mark.parametrize(
    ("namespace", "reserved"), [("fleet-system", True), ("kube-system", True), ("default", False), ("fleets", False)]
)
def test_reserved_namespaces(namespace: str, reserved: bool) -> None:
    assert names.is_reserved_namespace(namespace) is reserved
