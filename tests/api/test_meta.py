"""The values that every kind shares."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from echelon.api.cluster import MemberCluster
from echelon.api.meta import (
    Condition,
    LabelSelector,
    ObjectMeta,
    encode,
    format_time,
    from_dict,
    parse_time,
    to_dict,
)
from echelon.api.work import Work, WorkloadTemplate, WorkSpec


def test_times_are_whole_seconds_in_utc() -> None:
    moment = datetime(2026, 1, 31, 9, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-01-31T08:00:00Z"
    assert parse_time("2026-01-31T08:00:00.25+00:00") == datetime(2026, 1, 31, 8, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-31T08:00:00"])
def test_a_time_needs_a_zone(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|Invalid isoformat"):
        parse_time(text)


def test_paths() -> None:
    resource = MemberCluster.resource
    assert resource.path() == "/apis/cluster.kubernetes-fleet.io/v1beta1/memberclusters"
    assert resource.path(None, "one", "status").endswith("/memberclusters/one/status")
    assert Work.resource.path("ns", "one").endswith("/v1beta1/namespaces/ns/works/one")


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"env": "prod"}}, True),
        ({"matchLabels": {"env": "test"}}, False),
        ({"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod", "test"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["edge"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert msgspec.convert(selector, LabelSelector).matches({"env": "prod"}) is matches


MANIFEST = b'{"kind": "ConfigMap",  "data": {"b": "2", "a": "1"}}'


def work() -> Work:
    manifests = (msgspec.Raw(MANIFEST),)
    return Work(metadata=ObjectMeta(name="w"), spec=WorkSpec(workload=WorkloadTemplate(manifests=manifests)))


def test_encoding_a_kind_fills_its_head_in_and_leaves_raw_parts_alone() -> None:
    text = encode(work())
    assert text.startswith(
        b'{"apiVersion":"placement.kubernetes-fleet.io/v1beta1","kind":"Work","metadata":{"name":"w"}'
    )
    assert MANIFEST in text


def test_a_dict_has_plain_json_types_only() -> None:
    plain = to_dict(work())
    assert plain["spec"]["workload"]["manifests"] == [{"kind": "ConfigMap", "data": {"b": "2", "a": "1"}}]
    assert from_dict(Work, plain).spec.workload.manifests[0] != msgspec.Raw(MANIFEST)
    assert to_dict(from_dict(Work, plain)) == plain


def test_a_condition_keeps_all_that_the_server_requires() -> None:
    made = to_dict(Condition(type="Ready", status="True", reason="Fine"))
    assert {"type", "status", "reason", "message", "lastTransitionTime"} <= made.keys()


def test_fields_that_are_not_known_are_dropped() -> None:
    read = msgspec.json.decode(
        b'{"metadata":{"name":"one","managedFields":[{"manager":"kubectl"}]},"later":1}', type=Work
    )
    assert to_dict(read)["metadata"] == {"name": "one"}
