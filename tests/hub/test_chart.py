"""The Helm chart and ``echelon hub install`` put the same on a cluster, whatever the values."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from echelon.hub.chart import files
from echelon.hub.manifests import KINDS, manifests
from echelon.hub.values import MEANINGS, BadValues, read_values, values_of

from .templates import render

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "charts" / "echelon"

VALUES: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "many": {
        "image": {"repository": "registry.example.com/echelon", "tag": "2.10", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "replicas": 3,
        "settings": {
            "dialect": "kubefleet",
            "snapshotDelay": 2.5,
            "providers": {"disabled": ["aks"], "commands": {"talos": {"command": ["/bin/upgrade", "1"]}}},
        },
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/hub"}},
        "resources": {},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "envFrom": [{"secretRef": {"name": "cloud"}}],
        "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys", "readOnly": True}],
        "podLabels": {"azure.workload.identity/use": "true"},
        "podAnnotations": {"example.com/note": "1"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "critical", "operator": "Exists"}],
    },
}

Objects = dict[tuple[str, str, str], dict[str, Any]]


def by_key(objects: list[dict[str, Any]]) -> Objects:
    return {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in objects}


def installed(values: Mapping[str, Any], namespace: str) -> Objects:
    return by_key(list(manifests(values_of(values, "values"), namespace)))


def test_the_checked_in_files_are_those_made_here() -> None:
    """After a change: ``make crds``."""
    found = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file() and "kinds" not in path.parts}
    assert found == set(files())
    for name, text in files().items():
        assert (CHART / name).read_text() == text, name
    assert (CHART / "kinds").resolve() == ROOT / "deploy" / "crds"


@pytest.mark.parametrize("namespace", ["fleet-system", "1234"])
@pytest.mark.parametrize("name", VALUES)
def test_chart_and_install_agree(name: str, namespace: str) -> None:
    rendered = by_key(render(CHART, namespace, {**VALUES[name], "createNamespace": True}))
    assert rendered == installed(VALUES[name], namespace)


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on this machine")
@pytest.mark.parametrize("name", VALUES)
def test_helm_and_install_agree(name: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(dict(VALUES[name])))
    command = ["helm", "template", "echelon", CHART, "--namespace", "fleet-system", "--values", file]
    done = subprocess.run([*command, "--set", "createNamespace=true"], capture_output=True, text=True, check=True)
    rendered = by_key([obj for obj in yaml.safe_load_all(done.stdout) if obj])
    assert rendered == installed(VALUES[name], "fleet-system")


def test_the_namespace_is_part_of_a_release_only_when_wanted() -> None:
    assert ("Namespace", "", "hub") not in by_key(render(CHART, "hub", {}))


def test_every_kind_of_object_is_known_to_the_install() -> None:
    assert {obj["kind"] for obj in installed({}, "fleet-system").values()} == set(KINDS)


def test_the_values_of_the_chart_are_those_of_the_install() -> None:
    text = (CHART / "values.yaml").read_text()
    assert values_of(yaml.safe_load(text), "values.yaml") == values_of({}, "")
    assert set(MEANINGS) <= set(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("replicas: -1", r"Expected `int` >= 0 - at `\$\.replicas`"),
        ("replica: 1", "unknown field `replica`"),
        ("settings: {dialect: klingon}", r"settings: Invalid enum value 'klingon' - at `\$\.dialect`"),
        ("settings: {leaderElection: {leaseDuration: 5}}", "leaderElection: .* each has to be shorter than the next"),
        ("a: [", "is not YAML"),
    ],
)
def test_bad_values_are_said_in_a_line(content: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(content)
    with pytest.raises(BadValues, match=why) as caught:
        read_values(file)
    assert str(file) in str(caught.value)


def test_pods_are_as_the_restricted_standard_wants_them() -> None:
    pod = installed({}, "hub")["Deployment", "hub", "echelon-hub"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_nothing_secret_is_in_an_argument() -> None:
    pod = installed({}, "hub")["Deployment", "hub", "echelon-hub"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][0:2] == ["hub", "run"]
    assert "Secret" not in KINDS
    words = " ".join(pod["containers"][0]["args"]).lower()
    assert not any(word in words for word in ("token", "password", "secret"))
