"""Signing in with az: the lines that the hub prints, other identities, another device, and who is refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import requests

from echelon.arm.surroundings import TENANT

from ..processes import HubProcess
from .conftest import Az, set_up


def test_the_printed_lines_sign_the_administrator_in(az: Az) -> None:
    shown = az("account", "show")
    assert shown["user"] == {"name": "echelon-admin", "type": "servicePrincipal"}
    assert (shown["environmentName"], shown["tenantId"], shown["state"]) == ("echelon", TENANT, "Enabled")
    assert az("account", "get-access-token")["tokenType"] == "Bearer"
    [cloud] = [cloud for cloud in az("cloud", "list") if cloud["isActive"]]
    assert cloud["name"] == "echelon"


def test_a_person_signs_in_on_another_device(program: str, hub: HubProcess, tmp_path: Path) -> None:
    az, commands = set_up(program, hub, tmp_path)
    for _, *words in commands[:-1]:
        az(*words)
    waiting = subprocess.Popen(
        [program, "login", "--use-device-code"],
        env=az.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    told = next(found for line in waiting.stderr if (found := re.search(r"open (\S+) .* the code (\w+)", line)))
    form = {"code": told[2], "token": (hub.data / "admin-token").read_text()}
    page = requests.post(told[1], data=form, verify=str(hub.data / "pki" / "ca.crt"), timeout=30)
    assert "echelon-admin is signed in" in page.text
    _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors
    assert az("account", "show")["user"] == {"name": "echelon-admin", "type": "user"}
    assert [group["name"] for group in az("group", "list")] == ["demo"]


def test_others_sign_in_as_service_accounts_and_have_their_own_rights(
    program: str, hub: HubProcess, tmp_path: Path
) -> None:
    def kubectl(*words: str) -> str:
        command = ["kubectl", "--kubeconfig", str(hub.kubeconfig), "--context", "hub", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    kubectl("create", "serviceaccount", "viewer")
    kubectl("create", "clusterrolebinding", "v", "--clusterrole=echelon:viewer", "--serviceaccount=default:viewer")
    secret = tmp_path / "secret"
    secret.write_text(kubectl("create", "token", "viewer"))
    az, commands = set_up(program, hub, tmp_path)
    for _, *words in commands[:-1]:
        az(*words)
    wrong = ("--service-principal", "-u", "echelon-admin", "-p", f"@{secret}", "--tenant", TENANT)
    assert "the secret is not that of 'echelon-admin'" in az.refused("login", *wrong)
    right = ("--service-principal", "-u", "default:viewer", "-p", f"@{secret}", "--tenant", TENANT)
    [account] = az("login", *right)
    assert account["user"]["name"] == "default:viewer"
    assert [group["name"] for group in az("group", "list")] == ["demo"]
    assert "AuthorizationFailed" in az.refused("group", "create", "-n", "mine", "-l", "eastus")
