"""Label and field selectors: what they select, and the words for what they do not understand."""

from __future__ import annotations

import pytest

from echelon.apiserver.errors import StatusError
from echelon.apiserver.selectors import parse_fields, parse_labels

LABELS = {"app": "web", "tier": "front", "size": "5"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("missing", False),
        ("!missing", True),
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=db", True),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("app notin (web)", False),
        ("size>4", True),
        ("size > 5", False),
        ("size<6", True),
        ("app>4", False),
        ("app=web,tier=front", True),
        ("app=web,tier=back", False),
        ("app=web, !missing", True),
        ("missing=", False),
        ("missing in (,a)", False),
        ("in in (in)", False),
    ],
)
def test_labels(selector: str, selected: bool) -> None:
    assert parse_labels(selector)(LABELS) is selected


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("=a", "found '=', expected: !, identifier, or 'end of string'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in ()", "unable to parse requirement: values: Invalid value: []: "),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a>b", "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators"),
        ("a/b/c", 'unable to parse requirement: key: Invalid value: "a/b/c": a qualified name must consist of'),
        ("a=-", 'unable to parse requirement: values[0][a]: Invalid value: "-": a valid label must be'),
        ("!", "unable to parse requirement: found '', expected: identifier"),
    ],
)
def test_label_faults(selector: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_labels(selector)
    assert refused.value.code == 400
    assert refused.value.message.startswith(message)


OBJECT = {"spec": {"nodeName": "n1", "flag": True, "count": 3}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name==a", True),
        ("metadata.name!=a", False),
        ("metadata.namespace=default", True),
        ("metadata.namespace!=default", False),
        ("spec.nodeName=n1", True),
        ("spec.nodeName=n1,metadata.name=b", False),
        ("status.phase!=Running", False),
        ("spec.flag=true", True),
        ("spec.count=3", True),
        ("spec.absent=", True),
        ("spec.absent!=x", True),
    ],
)
def test_fields(selector: str, selected: bool) -> None:
    supported = ("spec.nodeName", "status.phase", "spec.flag", "spec.count", "spec.absent")
    fields = parse_fields(selector, supported, False)
    assert fields.matches("default", "a", lambda: OBJECT) is selected


def test_a_demanded_name_is_found() -> None:
    fields = parse_fields("metadata.name=a,metadata.namespace!=b", (), False)
    assert fields.demanded("metadata.name") == "a"
    assert fields.demanded("metadata.namespace") is None


def test_escaped_characters_belong_to_the_value() -> None:
    fields = parse_fields(r"spec.nodeName=a\,b\=c\\d", ("spec.nodeName",), False)
    assert fields.matches("", "", lambda: {"spec": {"nodeName": "a,b=c\\d"}})


@pytest.mark.parametrize(
    ("selector", "supported", "custom", "message"),
    [
        ("data.k=b", (), False, '"data.k" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("spec.x=b", ("spec.y",), False, "field label not supported: spec.x"),
        ("spec.x=b", (), True, "field label not supported: spec.x"),
        ("nonsense", (), False, "invalid selector: 'nonsense'; can't understand 'nonsense'"),
        ("metadata.name=a=b", (), False, "invalid selector: 'metadata.name=a=b'; can't understand 'a=b'"),
    ],
)
def test_field_faults(selector: str, supported: tuple[str, ...], custom: bool, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_fields(selector, supported, custom)
    assert refused.value.code == 400
    assert refused.value.message == message
