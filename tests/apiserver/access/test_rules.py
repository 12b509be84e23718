"""Single rules, and what a set of rules covers, against an evaluator that spells everything out."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.apiserver.access.rules import FULL_AUTHORITY, PolicyRule, Rule, merged, path_covers, uncovered
from echelon.apiserver.authentication import Attributes


def on(
    verb: str, resource: str, *, group: str = "", name: str = "", namespace: str = "", subresource: str = ""
) -> Attributes:
    return Attributes(verb, group, "v1", resource, subresource, namespace, name)


def path(verb: str, path: str) -> Attributes:
    return Attributes(verb, path=path)


PODS = PolicyRule(("get", "list"), ("",), ("pods",))
NAMED = PolicyRule(("get",), ("",), ("secrets",), ("only", "other"))


@pytest.mark.parametrize(
    ("rule", "attributes", "allowed"),
    [
        (PODS, on("get", "pods"), True),
        (PODS, on("get", "pods", name="a", namespace="b"), True),
        (PODS, on("watch", "pods"), False),
        (PODS, on("get", "services"), False),
        (PODS, on("get", "pods", group="apps"), False),
        (PODS, on("get", "pods", subresource="log"), False),
        (PODS, path("get", "/pods"), False),
        (PolicyRule(("*",), ("*",), ("*",)), on("anything", "at", group="all", subresource="even/this"), True),
        (PolicyRule(("*",), ("*",), ("*",)), path("get", "/healthz"), False),
        (PolicyRule(("get",), ("*",), ("pods",)), on("get", "pods", group="metrics.k8s.io"), True),
        (PolicyRule(("get",), ("",), ("pods/log",)), on("get", "pods", subresource="log"), True),
        (PolicyRule(("get",), ("",), ("pods/log",)), on("get", "pods"), False),
        (PolicyRule(("get",), ("",), ("*/log",)), on("get", "pods", subresource="log"), True),
        (PolicyRule(("get",), ("",), ("*/log",)), on("get", "pods", subresource="status"), False),
        (PolicyRule(("get",), ("",), ("pods/*",)), on("get", "pods", subresource="log"), False),
        (NAMED, on("get", "secrets", name="only"), True),
        (NAMED, on("get", "secrets", name="third"), False),
        (NAMED, on("get", "secrets"), False),
        (PolicyRule(("get",), non_resource_urls=("/metrics",)), path("get", "/metrics"), True),
        (PolicyRule(("get",), non_resource_urls=("/metrics",)), path("get", "/metrics/slis"), False),
        (PolicyRule(("get",), non_resource_urls=("/metrics",)), path("post", "/metrics"), False),
        (PolicyRule(("get",), non_resource_urls=("/apis/*",)), path("get", "/apis/apps/v1"), True),
        (PolicyRule(("get",), non_resource_urls=("/apis/*",)), path("get", "/apis"), False),
        (PolicyRule(("*",), non_resource_urls=("*",)), path("delete", "/whatever"), True),
        (PolicyRule(), on("get", "pods"), False),
    ],
)
def test_what_a_rule_allows(rule: PolicyRule, attributes: Attributes, allowed: bool) -> None:
    assert Rule(rule).allows(attributes) is allowed


@pytest.mark.parametrize(
    ("pattern", "wanted", "covered"),
    [
        ("*", "/anything", True),
        ("/api/*", "/api/v1", True),
        ("/api/*", "/api/*", True),
        ("/api*", "/api/*", True),
        ("/api/*", "/api*", False),
        ("/api", "/api/*", False),
    ],
)
def test_paths(pattern: str, wanted: str, covered: bool) -> None:
    assert path_covers(pattern, wanted) is covered


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([PODS], [PolicyRule(("get",), ("",), ("pods",))], []),
        ([PODS], [PolicyRule(("get",), ("",), ("pods",), ("a",))], []),
        ([PODS], [PolicyRule(("get", "watch"), ("",), ("pods",))], [PolicyRule(("watch",), ("",), ("pods",))]),
        ([PODS], [PolicyRule(("*",), ("",), ("pods",))], [PolicyRule(("*",), ("",), ("pods",))]),
        ([NAMED], [PolicyRule(("get",), ("",), ("secrets",))], [PolicyRule(("get",), ("",), ("secrets",))]),
        ([NAMED], [PolicyRule(("get",), ("",), ("secrets",), ("only",))], []),
        (FULL_AUTHORITY, [PODS, NAMED, PolicyRule(("get",), non_resource_urls=("/a",))], []),
        (
            FULL_AUTHORITY[:1],
            [PolicyRule(("get",), non_resource_urls=("/a",))],
            [PolicyRule(("get",), (), (), (), ("/a",))],
        ),
        ([PolicyRule(("get",), ("",), ("*/log",))], [PolicyRule(("get",), ("",), ("pods/log",))], []),
        ([PODS, PolicyRule(("watch",), ("",), ("pods",))], [PolicyRule(("get", "watch"), ("",), ("pods",))], []),
    ],
)
def test_what_is_not_covered(held: list[PolicyRule], wanted: list[PolicyRule], missing: list[PolicyRule]) -> None:
    assert uncovered(held, wanted) == missing


def test_rules_that_differ_in_verbs_become_one() -> None:
    get, list_ = PolicyRule(("get",), ("",), ("pods",)), PolicyRule(("list", "get"), ("",), ("pods",))
    assert merged([get, NAMED, list_]) == [PolicyRule(("get", "list"), ("",), ("pods",)), NAMED]


def test_rules_in_words() -> None:
    assert str(NAMED) == '{APIGroups:[""], Resources:["secrets"], ResourceNames:["only" "other"], Verbs:["get"]}'
    assert str(FULL_AUTHORITY[1]) == '{NonResourceURLs:["*"], Verbs:["*"]}'


def some(*choices: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(choices), unique=True, max_size=2).map(tuple)


RULES = st.builds(
    PolicyRule,
    verbs=some("get", "list", "*"),
    api_groups=some("", "apps", "*"),
    resources=some("pods", "nodes", "pods/log", "*/log", "*"),
    resource_names=some("a", "b"),
    non_resource_urls=some("/a", "/a/*", "/a/b", "*"),
)
RESOURCES = st.builds(
    on,
    st.sampled_from(["get", "list"]),
    st.sampled_from(["pods", "nodes"]),
    group=st.sampled_from(["", "apps"]),
    name=st.sampled_from(["", "a", "b", "c"]),
    subresource=st.sampled_from(["", "log", "status"]),
)
ATTRIBUTES = RESOURCES | st.builds(path, st.sampled_from(["get", "list"]), st.sampled_from(["/a", "/a/b", "/c"]))


def plainly_allows(rule: PolicyRule, attributes: Attributes) -> bool:
    """Tries every combination that the rule spells out."""
    for verb in rule.verbs:
        if not fnmatchcase(attributes.verb, verb):
            continue
        if attributes.path:
            if any(fnmatchcase(attributes.path, url) for url in rule.non_resource_urls):
                return True
            continue
        asked = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
        for group in rule.api_groups:
            for resource in rule.resources:
                for name in rule.resource_names or ("*",):
                    if (
                        fnmatchcase(attributes.group, group)
                        and (resource == "*" or fnmatchcase(asked, resource))
                        and (name == "*" or attributes.name == name)
                    ):
                        return True
    return False


@given(RULES, ATTRIBUTES)
@settings(max_examples=400, deadline=None)
def test_a_rule_allows_what_it_spells_out(rule: PolicyRule, attributes: Attributes) -> None:
    assert Rule(rule).allows(attributes) == plainly_allows(rule, attributes)


@given(st.lists(RULES, max_size=3), RULES, ATTRIBUTES)
@settings(max_examples=400, deadline=None)
def test_what_is_covered_gives_nothing_new(held: list[PolicyRule], wanted: PolicyRule, attributes: Attributes) -> None:
    """Nobody who holds the rules gains anything by a rule that they cover."""
    if not uncovered(held, [wanted]) and Rule(wanted).allows(attributes):
        assert any(Rule(rule).allows(attributes) for rule in held)


@given(st.lists(RULES, max_size=3))
@settings(max_examples=100, deadline=None)
def test_rules_cover_themselves(rules: list[PolicyRule]) -> None:
    assert uncovered(rules, rules) == []
