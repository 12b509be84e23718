"""Request options and their faults."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.query import (
    DeleteOptions,
    WriteOptions,
    delete_options,
    list_options,
    parse_query,
    write_options,
)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "1"}),
        (b"a=x+y%2Cz&b", {"a": "x y,z", "b": ""}),
        (b"&&=1", {}),
    ],
)
def test_queries(text: bytes, parameters: dict[str, str]) -> None:
    assert parse_query(text) == parameters


def refusal(read: Any, *arguments: Any, **named: Any) -> StatusError:
    with pytest.raises(StatusError) as refused:
        read(*arguments, **named)
    return refused.value


def test_write_options() -> None:
    assert write_options({}, "CreateOptions") == WriteOptions(field_validation="Warn")
    query = {"dryRun": "All", "fieldManager": "me", "fieldValidation": "Strict", "pretty": "true"}
    assert write_options(query, "UpdateOptions") == WriteOptions(True, "me", "Strict")
    applied = write_options({"fieldManager": "me", "force": "true"}, "PatchOptions", apply=True)
    assert applied.force is True


@pytest.mark.parametrize(
    ("query", "kind", "apply", "fields"),
    [
        ({"dryRun": "Some"}, "CreateOptions", False, ["dryRun"]),
        ({"fieldValidation": "Maybe"}, "CreateOptions", False, ["fieldValidation"]),
        ({"fieldManager": "x" * 129}, "CreateOptions", False, ["fieldManager"]),
        ({"fieldManager": "a\nb"}, "CreateOptions", False, ["fieldManager"]),
        ({"force": "true"}, "PatchOptions", False, ["force"]),
        ({}, "PatchOptions", True, ["fieldManager"]),
        ({"dryRun": "Some", "fieldValidation": "Maybe"}, "UpdateOptions", False, ["dryRun", "fieldValidation"]),
    ],
)
def test_bad_write_options(query: dict[str, str], kind: str, apply: bool, fields: list[str]) -> None:
    error = refusal(write_options, query, kind, apply=apply)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message.startswith(f'{kind}.meta.k8s.io "" is invalid: ')
    assert [cause["field"] for cause in (error.details or {})["causes"]] == fields


def test_delete_options() -> None:
    assert delete_options({}, None) == DeleteOptions()
    assert delete_options({"gracePeriodSeconds": "0", "orphanDependents": "true"}, None) == DeleteOptions(
        grace_period=0, propagation="Orphan"
    )
    body = {"kind": "DeleteOptions", "preconditions": {"uid": "u"}, "orphanDependents": False}
    assert delete_options({"propagationPolicy": "ignored"}, body) == DeleteOptions(propagation="Background", uid="u")


def test_list_options() -> None:
    options = list_options({"limit": "5", "resourceVersion": "7", "watch": "0", "allowWatchBookmarks": "TRUE"})
    assert (options.limit, options.revision, options.watch, options.bookmarks) == (5, 7, False, True)
    assert list_options({"limit": "-1"}).limit == 0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "many"}, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ({"timeoutSeconds": "1s"}, 'strconv.ParseInt: parsing "1s": invalid syntax'),
        ({"resourceVersion": "-1"}, "invalid resource version: resourceVersion: Invalid value"),
        ({"resourceVersion": "x", "watch": "1"}, "resourceVersion: Invalid value"),
        ({"resourceVersionMatch": "Exact"}, "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ({"resourceVersionMatch": "Odd", "resourceVersion": "1"}, "supported values"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "forbidden for resourceVersion"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "x"}, "forbidden when continue"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1", "watch": "1"}, "forbidden for watch"),
        ({"sendInitialEvents": "true"}, "forbidden for list"),
        ({"sendInitialEvents": "true", "watch": "1"}, "requires setting resourceVersionMatch to NotOlderThan"),
    ],
)
def test_bad_list_options(query: dict[str, str], message: str) -> None:
    assert message in refusal(list_options, query).message
