"""Which objects, placements and members an override is for."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echelon.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta
from echelon.api.override import ClusterResourceOverrideSnapshot, ClusterResourceOverrideSnapshotSpec
from echelon.api.placement import GROUP, NamespacedName, ResourceSelector
from echelon.api.policy import ClusterSelector, ClusterSelectorTerm
from echelon.placement.overrides.matching import Identity, choose, concerns, from_cluster_snapshot, hits, is_for

from .values import (
    ALL,
    NAMESPACE,
    ROLE,
    SETTINGS,
    cluster_override,
    cluster_spec,
    delete,
    labelled,
    override,
    patch,
)

ENVELOPE = Identity(GROUP, "ResourceEnvelope", "app", "wrapped")


def test_an_override_hits_what_it_names() -> None:
    named = cluster_override("roles", delete(), objects=[ROLE])
    assert hits(named, ROLE)
    assert not hits(named, ROLE._replace(name="writer"))
    assert not hits(named, ROLE._replace(group=""))
    assert not hits(named, SETTINGS)


def test_a_namespace_stands_for_all_that_is_in_it() -> None:
    whole = cluster_override("app", delete())
    assert hits(whole, NAMESPACE)
    assert hits(whole, SETTINGS)
    assert not hits(whole, SETTINGS._replace(namespace="other"))
    assert not hits(whole, ROLE)


def test_a_namespace_alone_stands_for_itself() -> None:
    selector = ResourceSelector(group="", version="v1", kind="Namespace", name="app", selection_scope="NamespaceOnly")
    spec = msgspec.structs.replace(cluster_spec(delete()), cluster_resource_selectors=(selector,))
    snapshot = ClusterResourceOverrideSnapshotSpec(override_spec=spec, override_hash=b"")
    alone = from_cluster_snapshot(ClusterResourceOverrideSnapshot(metadata=ObjectMeta(name="a-0"), spec=snapshot))
    assert hits(alone, NAMESPACE)
    assert not hits(alone, SETTINGS)


def test_an_envelope_is_hit_by_name_only() -> None:
    assert not hits(cluster_override("app", delete()), ENVELOPE)
    assert hits(override("wrapped", delete(), objects=[ENVELOPE]), ENVELOPE)


def test_a_namespaced_override_hits_its_namespace_only() -> None:
    named = override("settings", delete())
    assert hits(named, SETTINGS)
    assert not hits(named, SETTINGS._replace(namespace="other"))
    assert not hits(named, NAMESPACE)


@pytest.mark.parametrize(
    ("scope", "placement", "expected"),
    [
        ("Cluster", ("", "web"), True),
        ("Cluster", ("", "other"), False),
        ("Cluster", ("app", "web"), False),
        ("Namespaced", ("app", "web"), True),
        ("Namespaced", ("other", "web"), False),
        ("Namespaced", ("", "web"), False),
    ],
)
def test_the_placement_that_an_override_is_for(scope: str, placement: tuple[str, str], expected: bool) -> None:
    assert concerns(override("a", delete(), placement="web", scope=scope), placement) is expected


def test_an_override_without_a_placement_is_for_all() -> None:
    for placement in (("", "web"), ("app", "web")):
        assert concerns(override("a", delete()), placement)
        assert concerns(cluster_override("a", delete()), placement)


def test_a_cluster_override_is_for_no_namespaced_placement_by_name() -> None:
    named = cluster_override("a", delete(), placement="web", scope="Namespaced")
    assert not concerns(named, ("", "web"))
    assert not concerns(named, ("app", "web"))


def test_members_of_a_rule() -> None:
    assert is_for(delete(ALL), {})
    assert not is_for(delete(None), {"env": "prod"})
    assert is_for(delete(labelled(env="prod")), {"env": "prod", "region": "east"})
    assert not is_for(delete(labelled(env="prod")), {"env": "test"})
    assert not is_for(delete(ClusterSelector(cluster_selector_terms=(ClusterSelectorTerm(),))), {"env": "prod"})


def test_one_term_is_enough_and_a_term_holds_whole() -> None:
    term = LabelSelector(
        match_labels={"env": "prod"},
        match_expressions=(LabelSelectorRequirement(key="region", operator="In", values=("east", "west")),),
    )
    terms = (ClusterSelectorTerm(label_selector=term), *labelled(canary="yes").cluster_selector_terms)
    rule = delete(ClusterSelector(cluster_selector_terms=terms))
    assert is_for(rule, {"canary": "yes"})
    assert is_for(rule, {"env": "prod", "region": "west"})
    assert not is_for(rule, {"env": "prod", "region": "north"})
    assert not is_for(rule, {})


@given(st.permutations(["b", "a", "c"]), st.permutations([("x", "app"), ("a", "web"), ("b", "app")]))
@settings(max_examples=20)
def test_what_is_chosen_is_listed_by_name(clusters: list[str], namespaced: list[tuple[str, str]]) -> None:
    overrides = [
        *(override(name, patch(), namespace=namespace) for name, namespace in namespaced),
        *(cluster_override(name, patch()) for name in clusters),
        cluster_override("elsewhere", patch(to=labelled(env="prod"))),
    ]
    chosen = choose(overrides, {})
    assert chosen.cluster == ("a-0", "b-0", "c-0")
    assert chosen.namespaced == (
        NamespacedName(name="b-0", namespace="app"),
        NamespacedName(name="x-0", namespace="app"),
        NamespacedName(name="a-0", namespace="web"),
    )


def test_one_rule_for_the_member_is_enough() -> None:
    found = cluster_override("a", patch(to=labelled(env="test")), delete(labelled(env="prod")))
    assert choose([found], {"env": "prod"}).cluster == ("a-0",)
    assert choose([found], {"env": "other"}).cluster == ()
