"""The run that a profile would make now."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from echelon.api import names
from echelon.api.fleet import UpdateRun
from echelon.upgrade.autoupgrade import Generated, generate
from echelon.upgrade.autoupgrade.channels import Target
from echelon.upgrade.autoupgrade.generation import run_name
from echelon.upgrade.validation import Problem
from echelon.upgrade.versions import ImageVersion, KubeVersion

from ..hub import order, stage
from ..values import NOW, around, member, strategy
from .profiles import image, known, profile, target

VERSIONS = known("1.30.4", "1.31.6", images=(image("202410.9.0"), image("202410.15.0", family="Windows")))
FLEET = around(
    member("m1", "a", "1.30.0"), member("m2", "b", "1.28.0"), member("m3", "", "1.31.0"), known=VERSIONS,
    strategies={"weekly": strategy(order(stage("one", "a"), stage("two", "b"))), "bad": strategy(order())},
)  # fmt: skip


def generated(*args: Any, **spec: Any) -> Generated:
    result = generate(profile(*args, **spec), FLEET, [], NOW)
    assert isinstance(result, Generated), result
    return result


def refused(*args: Any, **spec: Any) -> str:
    result = generate(profile(*args, **spec), FLEET, [], NOW)
    assert isinstance(result, Problem), result
    return str(result)


def test_a_run_to_a_version() -> None:
    run = generated(name="aup-000006", updateStrategyName="weekly", nodeImageSelection={"type": "Consistent"}).run
    assert re.fullmatch(r"auto-aup-000006-rapid-1-31-6-[0-9a-v]{7}", run.metadata.name)
    assert run.metadata.labels == {names.AUTO_UPGRADE_PROFILE: "aup-000006"}
    update = run.spec.managed_cluster_update
    assert (update.upgrade.type, update.upgrade.kubernetes_version) == ("Full", "1.31.6")
    assert update.node_image_selection is not None
    assert update.node_image_selection.type == "Consistent"
    assert (run.spec.state, run.spec.update_strategy_name, run.spec.skips) == ("Initialize", "weekly", ())


def test_a_run_to_node_images_names_them() -> None:
    run = generated("NodeImage").run
    update = run.spec.managed_cluster_update
    assert run.metadata.name.startswith("auto-p-nodeimage-202410-15-0-")
    assert update.upgrade.type == "NodeImageOnly"
    assert update.node_image_selection is not None
    assert update.node_image_selection.type == "Custom"
    versions = [entry.version for entry in update.node_image_selection.custom_node_image_versions]
    assert versions == ["Ubuntu-202410.9.0", "Windows-202410.15.0"]


def test_disabled_profiles_can_be_asked() -> None:
    assert generated(disabled=True).run == generated().run


def test_the_run_that_exists_is_given_as_it_is() -> None:
    run = generated().run
    started = replace(run, spec=replace(run.spec, state="Run"))
    assert generate(profile(), FLEET, [started], NOW) == Generated(started, exists=True, left_out=generated().left_out)


def test_who_is_left_out_and_why() -> None:
    assert generated(updateStrategyName="weekly").left_out == {
        "m2": "at Kubernetes 1.28.0, more than one minor version behind 1.31.6",
        "m3": "UpdateStrategy weekly does not take it",
    }
    assert generated("NodeImage").left_out == {}


def test_problems() -> None:
    assert refused(updateStrategyName="none") == (
        "spec.updateStrategyName: there is no UpdateStrategy 'none'; there are: bad, weekly"
    )
    assert refused(updateStrategyName="bad") == (
        "spec.updateStrategyName: UpdateStrategy bad.stages: must have at least one stage"
    )
    assert refused("TargetKubernetesVersion", targetKubernetesVersion="1.33") == (
        "auto-upgrade profile 'p': there is no patch of 1.33 that is no preview and in every region"
    )


def test_another_content_is_another_name() -> None:
    to = Target(KubeVersion.parse("1.31.6"))
    same = {"name": "p" * 40}
    found = [
        run_name(profile(**same), to),
        run_name(profile(name="p" * 41), to),
        run_name(profile(**same), Target(KubeVersion.parse("1.31.7"))),
        run_name(profile(**same, updateStrategyName="weekly"), to),
        run_name(profile(**same, nodeImageSelection={"type": "Consistent"}), to),
        run_name(target("1.31", **same), to),
        run_name(profile(**same), to, ["m1"]),
        run_name(profile(**same), to, ["m1", "m2"]),
    ]
    assert len(set(found)) == len(found)


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True)
TARGETS = st.one_of(
    st.sampled_from(["1.31.6", "1.30.4-gke.1348000", "1.30.10+k3s1-long.build.with-a-tail"]).map(
        lambda text: Target(KubeVersion.parse(text))
    ),
    st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9}){0,4}", fullmatch=True).map(
        lambda version: Target(images=(ImageVersion("Ubuntu", version),))
    ),
)


@given(NAMES, TARGETS, st.sampled_from(["Rapid", "Stable", "NodeImage", "TargetKubernetesVersion"]))
def test_names_are_names_of_runs(name: str, to: Target, channel: str) -> None:
    of = profile(channel, name=name)
    found = run_name(of, to)
    assert len(found) <= 50
    assert re.fullmatch(r"auto-[a-z0-9][-a-z0-9]*[a-z0-9]", found)
    assert f"-{channel.lower()}-" in found
    assert found == run_name(of, to)


def test_a_run_is_a_run_of_this_hub() -> None:
    assert isinstance(generated().run, UpdateRun)
