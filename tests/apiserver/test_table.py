"""Tables and ages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from echelon.apiserver.definitions import Column, Version
from echelon.apiserver.table import age, human_duration, table

DAY = 86400
NOW = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (179 * 60, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (8 * 3600 + 300, "8h"),
        (47 * 3600, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3600, "2d1h"),
        (9 * DAY + 3600, "9d"),
        (729 * DAY, "729d"),
        (730 * DAY, "2y"),
        (740 * DAY, "2y10d"),
        (9 * 365 * DAY, "9y"),
    ],
)
def test_human_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        ("2026-01-31T07:59:00Z", "60s"),
        ("2026-01-31T07:59:00.5Z", "59s"),
        (None, "<unknown>"),
        ("", "<unknown>"),
        ("soon", "<invalid>"),
        ("2026-01-31T07:59:00", "<invalid>"),
        (5, "<invalid>"),
    ],
)
def test_ages(timestamp: Any, text: str) -> None:
    assert age(timestamp, NOW) == text


class NoSchema:
    openapi: ClassVar[dict[str, Any]] = {}

    def prune(self, obj: Any) -> list[str]:
        return []

    def default(self, obj: Any) -> None:
        return None

    def validate(self, obj: Any, old: Any = None) -> list[Any]:
        return []


OBJECT = {
    "apiVersion": "x/v1",
    "kind": "X",
    "metadata": {"name": "a", "creationTimestamp": "2026-01-31T07:00:00Z"},
    "spec": {"at": "2026-01-30T07:00:00Z"},
}


def test_a_kind_without_columns_has_name_and_age() -> None:
    made = table(Version("v1", NoSchema()), [OBJECT], {}, now=NOW)
    assert [column["name"] for column in made["columnDefinitions"]] == ["Name", "Age"]
    assert made["rows"][0]["cells"] == ["a", "60m"]


def test_the_name_stands_first_and_dates_become_ages() -> None:
    column = Column("Since", lambda obj: obj["spec"]["at"], type="date", priority=1)
    made = table(Version("v1", NoSchema(), columns=(column,)), [OBJECT], {"resourceVersion": "5"}, now=NOW)
    assert made["rows"][0]["cells"] == ["a", "25h"]
    assert made["columnDefinitions"][1]["priority"] == 1
    assert made["metadata"] == {"resourceVersion": "5"}


@pytest.mark.parametrize(("include", "kind"), [("Object", "X"), ("Metadata", "PartialObjectMetadata"), ("None", None)])
def test_what_stands_beside_a_row(include: str, kind: str | None) -> None:
    made = table(Version("v1", NoSchema()), [OBJECT], {}, now=NOW, include=include)
    beside = made["rows"][0]["object"]
    assert (beside and beside["kind"]) == kind
