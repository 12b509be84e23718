"""What a member gets for its agent."""

from __future__ import annotations

import base64
from datetime import timedelta

from click.testing import CliRunner

from echelon.agent.installation import Belonging, HubSecret, belonging_of, foundation, pulling, removal
from echelon.cli.agent_run import run_agent

BELONGING = Belonging("one", "https://hub.example.com", "hub-id")
SECRET = HubSecret("token-of-one", b"PEM")


def all_objects() -> list[dict[str, object]]:
    return [*foundation(BELONGING, "cluster-admin"), *pulling(BELONGING, SECRET, "image:1", timedelta(hours=1))]


def test_what_is_put_there_is_what_is_taken_away() -> None:
    def identity(obj: dict[str, object]) -> tuple[object, object, object]:
        metadata = obj["metadata"]
        assert isinstance(metadata, dict)
        return obj["kind"], metadata.get("namespace", ""), metadata["name"]

    put = {identity(obj) for obj in all_objects()}
    assert {identity(obj) for obj in removal()} == put - {("Namespace", "", "fleet-system")}
    assert identity(removal()[-1])[0] == "ConfigMap"


def test_the_token_is_in_the_secret_and_nowhere_else() -> None:
    (secret,) = [obj for obj in all_objects() if obj["kind"] == "Secret"]
    assert secret["data"] == {
        "token": base64.b64encode(b"token-of-one").decode(),
        "ca.crt": base64.b64encode(b"PEM").decode(),
    }
    others = [obj for obj in all_objects() if obj is not secret]
    assert "token-of-one" not in str(others)
    assert "token-of-one" not in repr(SECRET)


def test_the_pod_is_as_the_restricted_standard_wants_it() -> None:
    (deployment,) = [obj for obj in all_objects() if obj["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]  # type: ignore[index]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"livenessProbe", "readinessProbe"} <= set(container)
    assert pod["volumes"][0]["secret"]["defaultMode"] == 0o440
    assert "hostPath" not in str(pod)


def test_the_command_takes_the_arguments_of_the_pod() -> None:
    (deployment,) = [obj for obj in all_objects() if obj["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]  # type: ignore[index]
    group, command, *arguments = container["args"]
    assert (group, command) == ("agent", "run")
    result = CliRunner().invoke(run_agent, arguments)
    assert result.exit_code == 2
    assert "--hub-ca: cannot read /var/run/echelon/hub/ca.crt" in result.output + result.stderr


def test_own_rights_are_narrow() -> None:
    (role,) = [obj for obj in all_objects() if obj["kind"] == "Role"]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["fleet-agent-hub"], "verbs": ["get", "patch"]},
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": ["fleet-agent"],
            "verbs": ["create"],
        },
    ]
    placing = foundation(BELONGING, "narrow")[-2]
    assert placing["roleRef"]["name"] == "narrow"


def test_whose_member_it_is_can_be_read_back() -> None:
    config_map = foundation(BELONGING, "cluster-admin")[-1]
    assert belonging_of(config_map) == BELONGING
    assert belonging_of({}) == Belonging("", "", "")
