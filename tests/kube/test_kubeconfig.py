"""Kubeconfig files: what is found in them, how several become one, and what is said when that fails."""

from __future__ import annotations

import base64
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from echelon.kube.credentials import ExecPlugin, Identity, StaticCredentials, TokenFile
from echelon.kube.kubeconfig import ConfigError, Connection, Entry, contexts, in_cluster, load, parse, write


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(
    *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, name: str = "hub", **context: Any
) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": f"{name}-cluster", "cluster": {"server": "https://hub:6443", **(cluster or {})}}],
        "users": [{"name": f"{name}-user", "user": user or {}}],
        "contexts": [
            {"name": name, "context": {"cluster": f"{name}-cluster", "user": f"{name}-user", **context}},
        ],
    }


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Any:
    def make(document: Any, name: str = "config") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return path

    return make


async def identity(connection: Connection) -> Identity:
    return await connection.credentials.identity()


async def test_data_and_files(kubeconfig: Any, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("the authority")
    (tmp_path / "client.pem").write_text("the certificate")
    by_file = load(
        kubeconfig(
            config(
                cluster={"certificate-authority": "ca.pem", "tls-server-name": "hub.internal"},
                user={"client-certificate": "client.pem", "client-key-data": encoded("the key")},
                namespace="team",
            )
        )
    )
    assert by_file.server == "https://hub:6443"
    assert by_file.authority == b"the authority"
    assert by_file.server_name == "hub.internal"
    assert by_file.namespace == "team"
    assert await identity(by_file) == Identity(certificate=b"the certificate", key=b"the key")
    by_data = load(
        kubeconfig(config(cluster={"certificate-authority-data": encoded("x"), "certificate-authority": "missing"}))
    )
    assert by_data.authority == b"x"
    assert by_data.namespace == "default"


@pytest.mark.parametrize(
    ("user", "authorization"),
    [
        ({}, ""),
        ({"token": "t1"}, "Bearer t1"),
        ({"username": "ann", "password": "pw"}, "Basic YW5uOnB3"),
        ({"tokenFile": "token", "token": "t1"}, "Bearer from the file"),
    ],
)
async def test_users(kubeconfig: Any, tmp_path: Path, user: dict[str, Any], authorization: str) -> None:
    (tmp_path / "token").write_text("from the file\n")
    assert (await identity(load(kubeconfig(config(user=user))))).authorization == authorization


def test_cluster_options(kubeconfig: Any) -> None:
    found = load(
        kubeconfig(
            config(
                cluster={"insecure-skip-tls-verify": True, "proxy-url": "http://proxy:3128"},
                user={"as": "ann", "as-uid": "7"},
            )
        )
    )
    assert found.insecure
    assert found.proxy == "http://proxy:3128"
    assert found.headers == {"Impersonate-User": "ann", "Impersonate-Uid": "7"}


def test_first_file_wins(kubeconfig: Any, tmp_path: Path) -> None:
    first = kubeconfig(config(name="one", cluster={"server": "https://first"}), "first")
    both = config(name="one", cluster={"server": "https://second"})
    for kind, entries in config(name="two").items():
        both[kind] = both[kind] + entries if isinstance(entries, list) else entries
    second = kubeconfig(both, "second")
    environ = {"KUBECONFIG": f"{first}:{tmp_path / 'missing'}:{second}:"}
    assert load(environ=environ).server == "https://first"
    assert load(context="two", environ=environ).server == "https://hub:6443"
    assert contexts(environ=environ) == ("one", "two")


def test_relative_files_are_beside_the_file_that_names_them(kubeconfig: Any, tmp_path: Path) -> None:
    path = kubeconfig(config(cluster={"certificate-authority": "ca.pem"}), "sub/config")
    (tmp_path / "sub" / "ca.pem").write_text("beside")
    assert load(path).authority == b"beside"


def test_home_and_pod(kubeconfig: Any, tmp_path: Path) -> None:
    kubeconfig(config(), ".kube/config")
    environ = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert load(environ=environ).server == "https://hub:6443"
    (tmp_path / ".kube" / "config").unlink()
    with pytest.raises(ConfigError, match=r"serviceaccount/token does not exist: the pod has no service-account token"):
        load(environ=environ)
    with pytest.raises(ConfigError, match=r"\.kube/config does not exist, and this is not a pod"):
        load(environ={"HOME": str(tmp_path)})


async def test_in_cluster(tmp_path: Path) -> None:
    for name, text in (("token", "t1"), ("ca.crt", "authority"), ("namespace", "system\n")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
    found = in_cluster(environ, folder=tmp_path)
    assert (found.server, found.authority, found.namespace) == ("https://[fd00::1]:6443", b"authority", "system")
    assert isinstance(found.credentials, TokenFile)
    with pytest.raises(ConfigError, match="KUBERNETES_SERVICE_HOST is not set"):
        in_cluster({})


EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "login", "interactiveMode": "Never"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("a: b: c", "is not YAML"),
        ("[1, 2]", "is not a mapping"),
        ({"contexts": [{"context": {}}]}, "has a context without a name"),
        ({}, "no context named, and .* sets no current-context; there is none"),
        ({**config(), "current-context": "other"}, "no context 'other' in .*; there is hub"),
        ({**config(), "clusters": []}, "context 'hub' of .* names the cluster 'hub-cluster', and .* has only none"),
        (config(cluster={"server": "hub:6443"}), "cluster 'hub-cluster' of .*: server is 'hub:6443', want a URL"),
        (config(cluster={"server": 5}), "server is int, want a string"),
        (
            config(cluster={"certificate-authority": "missing"}),
            "cannot read certificate-authority of cluster .*missing",
        ),
        (config(cluster={"certificate-authority-data": "%%"}), "certificate-authority-data is not base64"),
        (
            config(cluster={"certificate-authority-data": encoded("x"), "insecure-skip-tls-verify": True}),
            "has both a certificate-authority and insecure-skip-tls-verify",
        ),
        (config(cluster={"proxy-url": "socks5://proxy"}), "proxy-url is 'socks5://proxy'; only http and https"),
        (config(user={"client-certificate-data": encoded("x")}), "client-certificate or a client-key without"),
        (config(user={"auth-provider": {"name": "gcp"}}), "user 'hub-user' of .* uses an auth-provider"),
        (config(user={"as": "ann", "as-groups": ["a"]}), "as-groups and as-user-extra are not supported"),
        (config(user={"exec": {"command": "x"}}), "exec: Object missing required field `apiVersion`"),
        (config(user={"exec": {**EXEC, "apiVersion": "v0"}}), "exec: apiVersion is 'v0', want client.authentication"),
        (config(user={"exec": {**EXEC, "interactiveMode": "Maybe"}}), "interactiveMode is 'Maybe'"),
    ],
)
def test_faults_are_named(kubeconfig: Any, document: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(kubeconfig(document))


def test_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing does not exist"):
        load(tmp_path / "missing")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_exec_plugins(kubeconfig: Any, version: str) -> None:
    exec_ = {**EXEC, "apiVersion": f"client.authentication.k8s.io/{version}", "args": None, "env": None}
    assert isinstance(load(kubeconfig(config(user={"exec": exec_}))).credentials, ExecPlugin)


def test_context_without_a_user_is_anonymous(kubeconfig: Any) -> None:
    document = config()
    del document["contexts"][0]["context"]["user"]
    assert isinstance(load(kubeconfig(document)).credentials, StaticCredentials)


async def test_written_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    entries = [
        Entry("hub", "https://127.0.0.1:8443/clusters/hub", authority=b"ca", token="t1", namespace="team"),
        Entry("member1", "https://127.0.0.1:8443/clusters/member1", certificate=b"c", key=b"k", insecure=True),
    ]
    write(path, entries, current="member1")
    write(path, entries, current="hub")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["config"]
    hub, member = load(path), load(path, context="member1")
    assert (hub.server, hub.authority, hub.namespace) == (entries[0].server, b"ca", "team")
    assert (await identity(hub)).authorization == "Bearer t1"
    assert await identity(member) == Identity(certificate=b"c", key=b"k")
    assert member.insecure


def test_failing_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    write(path, [Entry("hub", "https://hub")], current="hub")
    before = path.read_text()
    with pytest.raises(yaml.YAMLError):
        write(path, [Entry("hub", object())], current="hub")  # type: ignore[arg-type]
    assert path.read_text() == before
    assert [item.name for item in tmp_path.iterdir()] == ["config"]


# -- a kubeconfig that came from somebody else ----------------------------------------------------


def given(user: object = None, **cluster: object) -> str:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example.com", **cluster}}],
        "users": [{"name": "c", "user": {"token": "t"} if user is None else user}],
    }
    return yaml.safe_dump(document)


def test_a_kubeconfig_that_holds_all_is_taken() -> None:
    connection = parse(given(**{"certificate-authority-data": "eA=="}), "the Secret")
    assert (connection.server, connection.authority) == ("https://api.example.com", b"x")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (given({"exec": {"command": "rm", "apiVersion": "client.authentication.k8s.io/v1"}}), "exec is refused, as no"),
        (given({"tokenFile": "/etc/shadow"}), "user 'c' of here: tokenFile is refused, as no file is read for it"),
        (given({"client-certificate": "a", "client-key": "b"}), "client-certificate is refused"),
        (given(**{"certificate-authority": "/etc/passwd"}), "cluster 'c' of here: certificate-authority is refused"),
        (given(**{"insecure-skip-tls-verify": True}), "insecure-skip-tls-verify is refused, want certificate-auth"),
        (given(server="http://api.example.com"), "the server http://api.example.com is refused, want https"),
        (given({"auth-provider": {"name": "gcp"}}), "uses an auth-provider"),
        ("}", "the kubeconfig here is not YAML"),
        ("[]", "no context named"),
        ("{}", "no context named"),
        ("a", "the kubeconfig here is not a mapping"),
    ],
)
def test_a_kubeconfig_that_wants_more_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(why)):
        parse(text, "here")


def test_another_user_of_a_given_kubeconfig_may_not_want_more_either() -> None:
    document = yaml.safe_load(given())
    document["users"].append({"name": "other", "user": {"exec": {"command": "rm"}}})
    with pytest.raises(ConfigError, match="exec is refused"):
        parse(yaml.safe_dump(document), "here")
