"""A hub on a cluster that held nothing of Echelon, served to clients of ARM by ``echelon hub run --arm``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from echelon.local.pki import ensure_certificates

from ..processes import echelon

CLUSTERS = ("hub",)
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production"
FLEET = f"{GROUP}/providers/Microsoft.ContainerService/fleets/shops"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/oslo"
NAMES = {"fleetName": "shops", "resourceGroup": "production", "location": "eastus", "subscriptionId": SUBSCRIPTION}


@pytest.fixture
def served(clusters: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of the face of an installed hub, and the authority that vouches for it."""
    installed = echelon("hub", "install", "--replicas", "0", "--no-wait", "--kubeconfig", clusters, "--context", "hub")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    named = ["create", "configmap", "fleet", *(f"--from-literal={key}={value}" for key, value in NAMES.items())]
    asked = ["kubectl", "--kubeconfig", str(clusters), "--context", "hub", "-n", "fleet-system", *named]
    subprocess.run(asked, check=True, capture_output=True, timeout=60)
    tls = ensure_certificates(tmp_path / "arm", ["127.0.0.1"], datetime.now(UTC))
    command = [sys.executable, "-W", "error", "-m", "echelon", "hub", "run"]
    command += ["--kubeconfig", str(clusters), "--context", "hub", "--arm", "127.0.0.1:0"]
    command += ["--arm-certificate", str(tls.server), str(tls.server_key)]
    command += ["--public-address", "https://shops.example:6443"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            told = next(found for line in running.stderr if (found := re.search(r"served for az on port (\d+)", line)))
            yield f"https://127.0.0.1:{told[1]}", tls.authority
        finally:
            running.terminate()
            _, rest = running.communicate(timeout=60)
    assert running.returncode == 0, rest


def test_an_installed_hub_is_a_fleet_for_clients_of_arm(clusters: Path, served: tuple[str, Path]) -> None:
    base, authority = served
    config = yaml.safe_load(clusters.read_text())
    user = next(found["user"] for found in config["users"] if found["name"] == "hub")

    def ask(method: str, path: str, body: Any = None, token: str = user["token"]) -> tuple[int, Any]:
        answer = requests.request(
            method,
            f"{base}{path}?api-version=2026-06-01",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(authority),
            timeout=60,
        )
        return answer.status_code, answer.json() if answer.content else None

    status, shown = ask("GET", FLEET)
    assert (status, shown["name"], shown["location"]) == (200, "shops", "eastus")
    status, body = ask("GET", FLEET, token="guessed")
    assert (status, body["error"]["code"]) == (401, "InvalidAuthenticationToken")
    status, body = ask("PUT", FLEET.replace("shops", "other"), {"location": "eastus"})
    assert (status, FLEET in body["error"]["message"]) == (409, True)
    status, body = ask("PUT", CLUSTER, {"location": "eastus"})
    assert (status, body["error"]["code"]) == (409, "OperationNotAllowed")

    stages = {"stages": [{"name": "first", "groups": [{"name": "canary"}]}]}
    status, made = ask("PUT", f"{FLEET}/updateStrategies/safely", {"properties": {"strategy": stages}})
    assert (status, made["id"]) == (201, f"{FLEET}/updateStrategies/safely")
    assert ask("GET", f"{FLEET}/updateStrategies")[1]["value"][0]["name"] == "safely"
    assert ask("DELETE", f"{FLEET}/updateStrategies/safely")[0] == 200
    assert ask("GET", f"{FLEET}/members") == (200, {"value": []})


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--arm", "here"), "--arm: 'here' is no address; want [HOST:]PORT"),
        (("--arm", ":0"), "--arm is served over TLS only; name a certificate and its key by --arm-certificate"),
    ],
)
def test_what_cannot_be_served(options: tuple[str, ...], why: str) -> None:
    ended = echelon("hub", "run", *options)
    assert ended.returncode == 2
    assert why in ended.stderr
