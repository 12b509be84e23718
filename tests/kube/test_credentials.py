"""Credentials that change while a program runs: token files and exec plugins."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from echelon.kube.credentials import (
    REREAD_SECONDS,
    CredentialsError,
    ExecConfig,
    ExecPlugin,
    Identity,
    StaticCredentials,
    TokenFile,
    bearer,
)

V1 = "client.authentication.k8s.io/v1"


class SetClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


async def test_static_credentials_are_not_renewed() -> None:
    credentials = StaticCredentials(bearer("t1"))
    assert not credentials.rejected(await credentials.identity())
    assert (await credentials.identity()).authorization == "Bearer t1"


def test_secrets_do_not_show() -> None:
    identity = Identity(authorization="Bearer secret", certificate=b"public", key=b"secret")
    assert repr(identity) == str(identity) == "Identity(authorization, certificate)"
    assert repr(Identity()) == "Identity(anonymous)"


@pytest.mark.looptime
async def test_token_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("t1\n")
    credentials = TokenFile(path, Identity(certificate=b"c", key=b"k"))
    assert await credentials.identity() == Identity("Bearer t1", b"c", b"k")
    path.write_text("t2")
    first = await credentials.identity()
    assert first.authorization == "Bearer t1"
    await asyncio.sleep(REREAD_SECONDS)
    second = await credentials.identity()
    assert second.authorization == "Bearer t2"
    path.write_text("t3")
    assert credentials.rejected(first)
    assert (await credentials.identity()) is second  # what was rejected is not what is held
    assert credentials.rejected(second)
    assert (await credentials.identity()).authorization == "Bearer t3"
    path.write_text(" ")
    await asyncio.sleep(REREAD_SECONDS)
    with pytest.raises(CredentialsError, match="is empty"):
        await credentials.identity()
    path.unlink()
    with pytest.raises(CredentialsError, match="cannot read the token file"):
        await credentials.identity()


class Plugin:
    """A program that prints a credential and notes each of its runs, with what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.script = folder / "plugin.py"
        self.clock = SetClock()
        self.script.write_text(
            "import json, os, pathlib, sys\n"
            "here = pathlib.Path(__file__).parent\n"
            "told = {**json.loads(os.environ['KUBERNETES_EXEC_INFO']), 'args': sys.argv[1:], "
            "'flavour': os.environ.get('FLAVOUR')}\n"
            "with open(here / 'runs', 'a') as file: file.write(json.dumps(told) + '\\n')\n"
            "print((here / 'answer').read_text())\n"
            "sys.exit(int((here / 'code').read_text()))\n"
        )
        self.answers(status={"token": "t1"})

    def answers(self, *, code: int = 0, **answer: Any) -> None:
        credential = {"apiVersion": V1, "kind": "ExecCredential", **answer}
        (self.folder / "answer").write_text(json.dumps(credential))
        (self.folder / "code").write_text(str(code))

    def credentials(
        self, *, interactive: bool = False, cluster: Mapping[str, Any] | None = None, **more: Any
    ) -> ExecPlugin:
        config = ExecConfig(
            command=more.pop("command", sys.executable), api_version=V1, args=[str(self.script), "x"], **more
        )
        return ExecPlugin(config, cluster=cluster, clock=self.clock, interactive=lambda: interactive)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.runs.read_text().splitlines()] if self.runs.exists() else []


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


async def test_plugin_is_run_once_until_its_credential_expires(plugin: Plugin) -> None:
    plugin.answers(status={"token": "t1", "expirationTimestamp": "2026-01-01T01:00:00Z"})
    credentials = plugin.credentials()
    identities = await asyncio.gather(*(credentials.identity() for _ in range(5)))
    assert {identity.authorization for identity in identities} == {"Bearer t1"}
    plugin.clock.moment += timedelta(minutes=59)
    await credentials.identity()
    assert len(plugin.told()) == 1
    plugin.clock.moment += timedelta(seconds=55)
    plugin.answers(status={"token": "t2"})
    assert (await credentials.identity()).authorization == "Bearer t2"
    plugin.clock.moment += timedelta(days=10)
    await credentials.identity()
    assert len(plugin.told()) == 2


async def test_rejected_credential_is_asked_for_anew(plugin: Plugin) -> None:
    credentials = plugin.credentials()
    first = await credentials.identity()
    plugin.answers(status={"token": "t2"})
    assert credentials.rejected(first)
    assert credentials.rejected(first)
    assert (await credentials.identity()).authorization == "Bearer t2"
    assert credentials.rejected(first)
    await credentials.identity()
    assert len(plugin.told()) == 2


async def test_client_certificates(plugin: Plugin) -> None:
    plugin.answers(status={"clientCertificateData": "the certificate", "clientKeyData": "the key"})
    assert await plugin.credentials().identity() == Identity(certificate=b"the certificate", key=b"the key")


async def test_what_the_plugin_is_told(plugin: Plugin) -> None:
    cluster = {"server": "https://hub", "config": {"audience": "x"}}
    env = [{"name": "FLAVOUR", "value": "plum"}]
    await plugin.credentials(cluster=cluster, provide_cluster_info=True, env=env, interactive=True).identity()
    await plugin.credentials(cluster=cluster, interactive_mode="Never", interactive=True).identity()
    first, second = plugin.told()
    assert first == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": True, "cluster": cluster},
        "args": ["x"],
        "flavour": "plum",
    }
    assert second["spec"] == {"interactive": False}


async def test_plugin_that_needs_a_person_and_has_none(plugin: Plugin) -> None:
    with pytest.raises(CredentialsError, match="there is no terminal"):
        await plugin.credentials(interactive_mode="Always").identity()
    assert plugin.told() == []


async def test_plugin_that_is_not_there() -> None:
    config = ExecConfig("/no/such/plugin", V1, install_hint="Install it from example.org.\n")
    with pytest.raises(CredentialsError, match=r"cannot run /no/such/plugin: .*; Install it from example\.org\."):
        await ExecPlugin(config, interactive=lambda: False).identity()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"code": 3}, "failed with exit code 3"),
        ({"kind": 5}, "did not print an ExecCredential"),
        ({"kind": "Other"}, "without a status"),
        ({}, "without a status"),
        ({"status": {}}, "neither a token nor a client certificate"),
        ({"status": {"token": "t", "clientKeyData": "k"}}, "a client certificate or a key without the other"),
        (
            {"apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "secret"}},
            "printed client.authentication.k8s.io/v1beta1, the kubeconfig says client.authentication.k8s.io/v1",
        ),
    ],
)
async def test_plugin_that_gives_no_credential(plugin: Plugin, answer: dict[str, Any], message: str) -> None:
    plugin.answers(**answer)
    with pytest.raises(CredentialsError, match=message) as caught:
        await plugin.credentials().identity()
    assert "secret" not in str(caught.value)
