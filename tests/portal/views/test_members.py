"""How members are, and how they differ."""

from __future__ import annotations

import pytest

from echelon.portal.views.members import Health, row_of, rows, spread, version_key
from echelon.portal.views.overview import CELLS, overview

from .objects import NOW, member


@pytest.mark.parametrize(
    ("found", "health"),
    [
        (member("m"), Health.HEALTHY),
        (member("m", Healthy="False"), Health.UNHEALTHY),
        (member("m", Healthy="Unknown"), Health.UNHEALTHY),
        (member("m", Joined="False"), Health.JOINING),
        (member("m", beat=-179), Health.HEALTHY),
        (member("m", beat=-181), Health.SILENT),
    ],
)
def test_the_health_of_a_member(found: object, health: Health) -> None:
    assert row_of(found, NOW).health is health  # type: ignore[arg-type]


def test_a_row_says_what_a_member_consists_of() -> None:
    row = row_of(member("m", image="b-2.0, a-1.0"), NOW)
    assert (row.version, row.images, row.region) == ("1.30.4", ("a-1.0", "b-2.0"), "")


def test_versions_go_from_new_to_old() -> None:
    found = spread("V", "version", ["1.9.0", "1.30.4", "1.30.10", "", "1.30.4"], newest_first=True)
    assert [(part.name, part.count, part.begins) for part in found.slices] == [
        ("1.30.10", 1, 0),
        ("1.30.4", 2, 1),
        ("1.9.0", 1, 3),
        ("unknown", 1, 4),
    ]
    assert found.total == 5


def test_many_values_become_others() -> None:
    found = spread("G", "group", [f"g{number}" for number in range(20)])
    assert len(found.slices) == 6
    assert (found.slices[-1].name, found.slices[-1].count) == ("15 others", 15)


def test_numbers_in_versions_count_as_numbers() -> None:
    assert version_key("202410.15.0") > version_key("202410.2.0")


def test_a_large_fleet_is_drawn_with_several_members_a_square() -> None:
    found = overview(
        [member(f"m{number:04}", Healthy="False" if number == 7 else "True") for number in range(1000)], [], NOW
    )
    cells = [cell for field in found.fields for cell in field.cells]
    assert len(cells) <= CELLS
    assert found.per_cell == 3
    assert [cell.tone for cell in cells].count("bad") == 1
    assert found.health.healthy == 999


def test_members_go_by_name() -> None:
    assert [row.name for row in rows([member("b"), member("a")], NOW)] == ["a", "b"]
