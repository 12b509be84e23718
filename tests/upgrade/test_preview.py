"""The schedule of a run that is not there yet."""

from __future__ import annotations

from datetime import timedelta

from echelon.upgrade.preview import schedule

from .hub import node_images, order, stage, weekly
from .values import IMAGE, NOW, around, member, releases, run_of

OLD, NEW = f"{IMAGE}-1.0", f"{IMAGE}-2.0"
HOUR = timedelta(hours=1)


def test_members_follow_one_another() -> None:
    found = schedule(run_of(), around(member("m1"), member("m2")), NOW, duration=HOUR)
    assert [(one.name, one.starts_at, one.ends_at) for one in found.members] == [
        ("m1", NOW, NOW + HOUR),
        ("m2", NOW + HOUR, NOW + 2 * HOUR),
    ]
    assert found.ends_at == NOW + 2 * HOUR


def test_a_closed_window_is_waited_for() -> None:
    window = weekly("Monday", "22:00", 4)  # NOW is a Monday, 09:00
    found = schedule(run_of(), around(member("m1", window=window)), NOW, duration=HOUR)
    assert found.ends_at == NOW + 14 * HOUR


def test_a_run_that_would_be_refused_has_no_schedule() -> None:
    found = schedule(run_of(updateStrategyName="none"), around(member("m1")), NOW)
    assert [problem.field for problem in found.problems] == ["spec.updateStrategyName"]
    assert found.members == ()


def test_who_is_there_already_is_skipped() -> None:
    update = {"upgrade": {"type": "ControlPlaneOnly", "kubernetesVersion": "1.30.4"}}
    found = schedule(run_of(update), around(member("m1", version="1.30.4"), member("m2")), NOW)
    assert found.skipped == {"m1": "already at Kubernetes 1.30.4"}


def test_images_are_those_that_the_members_of_the_run_can_have() -> None:
    """As when the run is made: members outside of it, and their regions, do not matter."""
    known = releases({}, {OLD: [], NEW: ["east"]})
    fleet = around(
        member("m1", "a", region="east", images=[OLD]), member("m2", "b", region="west", images=[OLD]), known=known
    )
    found = schedule(run_of(node_images("Consistent"), strategy=order(stage("one", "a"))), fleet, NOW)
    selection = found.status.node_image_selection
    assert selection is not None
    assert [image.version for image in selection.selected_node_image_versions] == [NEW]
