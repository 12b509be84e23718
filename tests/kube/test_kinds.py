"""Objects as structs and as dicts; selectors and versions as text."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta, Resource
from echelon.kube.errors import Undecodable
from echelon.kube.kinds import Kind, Unstructured, kind_of, selector_text, version_number
from echelon.kube.testing import Widget, WidgetSpec

TEXT = b'{"metadata":{"name":"a","namespace":"one","resourceVersion":"7","labels":{"x":"y"}},"spec":{"size":3}}'


@pytest.mark.parametrize("kind", [kind_of(Widget), Unstructured(Widget.resource)], ids=["struct", "dict"])
def test_both_representations_say_the_same(kind: Kind[Any]) -> None:
    obj = kind.decode(TEXT)
    assert kind.key(obj) == ("one", "a")
    assert kind.meta(obj) == ObjectMeta(name="a", namespace="one", resource_version="7", labels={"x": "y"})
    plain = kind.plain(obj)
    assert list(plain)[:2] == ["apiVersion", "kind"]
    assert (plain["apiVersion"], plain["kind"], plain["spec"]) == ("test.echelon.dev/v1", "Widget", {"size": 3})
    page = kind.decode_page(b'{"metadata":{"resourceVersion":"9","continue":"c"},"items":[' + TEXT + b"]}")
    assert (page.items, page.metadata.resource_version, page.metadata.continue_) == ([obj], "9", "c")
    assert kind.decode_page(b'{"metadata":{"resourceVersion":"9"},"items":null}').items in (None, [])


def test_a_kind_is_one() -> None:
    assert kind_of(Widget) is kind_of(Widget)
    assert kind_of(kind_of(Widget)) is kind_of(Widget)
    assert Unstructured(Widget.resource) == Unstructured(Widget.resource)
    assert hash(Unstructured(Widget.resource)) == hash(Unstructured(Widget.resource))


def test_type_that_is_no_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="WidgetSpec is not a kind"):
        kind_of(WidgetSpec)


def test_faulty_objects_are_named() -> None:
    text = b'{"metadata":{"name":"a","namespace":"one"},"spec":{"size":"large"}}'
    with pytest.raises(Undecodable, match=r"Widget one/a: Expected `int`, got `str` - at `\$.spec.size`"):
        kind_of(Widget).decode(text)
    with pytest.raises(Undecodable, match="Widget"):
        kind_of(Widget).decode(b"not json")
    with pytest.raises(Undecodable, match="Widget"):
        Unstructured(Widget.resource).decode(b"[]")
    for kind in (kind_of(Widget), Unstructured(Resource("", "v1", "nodes", "Node", False))):
        with pytest.raises(Undecodable, match="list of"):
            kind.decode_page(b'{"items": 5}')


def test_selectors_as_text() -> None:
    assert selector_text(None) == ""
    assert selector_text({"b": "2", "a": "1"}) == "a=1,b=2"
    selector = LabelSelector(
        match_labels={"a": "1"},
        match_expressions=[
            LabelSelectorRequirement("b", "In", ["x", "y"]),
            LabelSelectorRequirement("c", "NotIn", ["x"]),
            LabelSelectorRequirement("d", "Exists"),
            LabelSelectorRequirement("e", "DoesNotExist"),
        ],
    )
    assert selector_text(selector) == "a=1,b in (x,y),c notin (x),d,!e"


def test_versions_are_numbers() -> None:
    assert version_number("10") > version_number("9") > version_number("")
