"""kubectl takes the server for Kubernetes: every command of daily use, with each kubectl that is installed.

Versions are looked for beside the kubectl on PATH (``kubectl``, ``kubectl.1.33``, …); those below
1.30 are not supported and left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize

OLDEST = (1, 30)


def installed() -> list[Path]:
    """The kubectl binaries of this machine, one a minor version."""
    found = shutil.which("kubectl")
    if found is None:
        return []
    folder = Path(found).resolve().parent
    versions: dict[tuple[int, int], Path] = {}
    for path in sorted({*folder.glob("kubectl.1.*"), folder / "kubectl"}, reverse=True):
        output = subprocess.run(
            [path, "version", "--client", "-o", "json"], capture_output=True, check=False, timeout=20
        ).stdout
        if not output:
            continue
        match = re.match(r"v(\d+)\.(\d+)", json.loads(output)["clientVersion"]["gitVersion"])
        if match is not None and (int(match[1]), int(match[2])) >= OLDEST:
            versions[int(match[1]), int(match[2])] = path
    return [versions[version] for version in sorted(versions)]


KUBECTLS = installed()
pytestmark = pytest.mark.skipif(not KUBECTLS, reason="no kubectl of 1.30 or newer on this machine")


class Kubectl:
    """Runs one kubectl against one server."""

    def __init__(self, binary: Path, folder: Path, port: int) -> None:
        self._binary = binary
        self._folder = folder
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}
            ],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
            "current-context": "c",
        }
        (folder / "config").write_text(json.dumps(config))

    async def run(self, *arguments: str, editor: str = "") -> tuple[int, str]:
        """Exit status and everything printed."""
        environment = os.environ | {
            "KUBECONFIG": str(self._folder / "config"),
            "EDITOR": editor,
            "HOME": str(self._folder),
        }
        process = await asyncio.create_subprocess_exec(
            self._binary,
            "--cache-dir",
            self._folder / "cache",
            *arguments,
            cwd=self._folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def __call__(self, *arguments: str, editor: str = "") -> str:
        status, output = await self.run(*arguments, editor=editor)
        assert status == 0, f"{arguments}: {output}"
        assert "error calculating patch" not in output
        return output

    def file(self, name: str, *objects: Any) -> str:
        (self._folder / name).write_text(yaml.safe_dump_all(objects))
        return name


def _certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "tls.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "tls.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


@pytest.fixture(params=KUBECTLS, ids=lambda path: path.name)
async def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kubectl]:
    database = Database.open(None, summarize=summarize)
    authenticator = StaticTokens({"secret": User("admin", (MASTERS,))})
    server = ApiServer(database.keyspace("main"), authenticator=authenticator)
    await server.start()
    http = await serve(server, tls=_certificate(tmp_path), before_stop=server.end_streams)
    yield Kubectl(request.param, tmp_path, http.port)
    await http.stop()
    await server.close()
    await database.close()


@pytest.fixture
async def boats(kubectl: Kubectl, widget_definition: dict[str, Any]) -> str:
    """A file with a custom object, whose definition was applied."""
    kubectl.file("crd.yaml", widget_definition)
    assert "created" in await kubectl("apply", "-f", "crd.yaml")
    await kubectl("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=10s")
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"colour": "red"}}
    return kubectl.file("widget.yaml", widget)


def deployment(image: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": image}, {"name": "side", "image": "side:1"}]},
            },
        },
    }


async def test_builtin_objects(kubectl: Kubectl) -> None:
    assert "created" in await kubectl("create", "namespace", "team")
    assert "created" in await kubectl("-n", "team", "create", "configmap", "a", "--from-literal=k=v")
    assert "created" in await kubectl("-n", "team", "create", "secret", "generic", "s", "--from-literal=p=q")
    assert "created" in await kubectl("-n", "team", "create", "serviceaccount", "robot")
    listed = await kubectl("-n", "team", "get", "cm,secret")
    assert re.search(r"configmap/a +1 ", listed)
    assert re.search(r"secret/s +Opaque +1 ", listed)
    assert "team" in await kubectl("get", "cm", "-A")
    assert "k:\n----\nv" in await kubectl("-n", "team", "describe", "cm", "a")
    assert await kubectl("-n", "team", "get", "secret", "s", "-o", "jsonpath={.data.p}") == "cQ=="
    assert "labeled" in await kubectl("-n", "team", "label", "cm", "a", "x=y")
    assert "annotated" in await kubectl("-n", "team", "annotate", "cm", "a", "n=t")
    assert "configmap/a" in await kubectl("-n", "team", "get", "cm", "-l", "x=y", "-o", "name")
    assert "deleted" in await kubectl("-n", "team", "delete", "cm", "--all")
    assert "deleted" in await kubectl("delete", "namespace", "team")
    status, output = await kubectl.run("get", "namespace", "team")
    assert (status, output.strip()) == (1, 'Error from server (NotFound): namespaces "team" not found')


async def test_workloads(kubectl: Kubectl) -> None:
    kubectl.file("one.yaml", deployment("nginx:1"))
    kubectl.file("two.yaml", deployment("nginx:2"))
    assert "created" in await kubectl("apply", "-f", "one.yaml")
    assert "unchanged" in await kubectl("apply", "-f", "one.yaml")
    assert "configured" in await kubectl("apply", "-f", "two.yaml")
    await kubectl("set", "image", "deploy/web", "side=side:2")
    images = "jsonpath={.spec.template.spec.containers[*].image}"
    assert await kubectl("get", "deploy", "web", "-o", images) == "nginx:2 side:2"
    assert "scaled" in await kubectl("scale", "deploy/web", "--replicas=4")
    assert re.search(r"web +0/4 +0 +0 ", await kubectl("get", "deployments"))
    assert "Replicas:               4 desired" in await kubectl("describe", "deploy", "web")
    assert "edited" in await kubectl("edit", "deploy", "web", editor="sed -i s/nginx:2/nginx:3/")
    assert await kubectl("get", "deploy", "web", "-o", images) == "nginx:3 side:2"
    patched = await kubectl("patch", "deploy", "web", "-p", '{"spec":{"minReadySeconds":5}}')
    assert "patched" in patched
    assert "nginx" in await kubectl("get", "deploy", "-o", "wide")


async def test_custom_objects(kubectl: Kubectl, boats: str) -> None:
    assert "created" in await kubectl("apply", "-f", boats)
    assert "unchanged" in await kubectl("apply", "-f", boats)
    assert re.search(r"w +red", await kubectl("get", "wd"))
    assert "Colour:  red" in await kubectl("describe", "widget", "w")
    assert "patched" in await kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"size":5}}')
    status, output = await kubectl.run("patch", "widget", "w", "-p", '{"spec":{"size":5}}')
    assert status == 1
    assert "application/strategic-merge-patch+json is not supported by example.com/v1, Kind=Widget" in output
    assert "edited" in await kubectl("edit", "widget", "w", editor="sed -i s/red/blue/")
    await kubectl("wait", "--for=jsonpath={.spec.colour}=blue", "widget/w", "--timeout=10s")
    assert "scaled" in await kubectl("scale", "widget/w", "--replicas=7")
    status, output = await kubectl.run("diff", "-f", boats)
    assert status == 1
    assert "-  colour: blue" in output
    await kubectl("patch", "widget", "w", "--type=merge", "-p", '{"spec":{"colour":"green"}}')
    assert "conflict" in (await kubectl.run("apply", "--server-side", "-f", boats))[1]
    assert "applied" in await kubectl("apply", "--server-side", "--force-conflicts", "-f", boats)
    assert await kubectl("get", "widget", "w", "-o", "jsonpath={.spec.colour}{.spec.replicas}") == "red7"
    assert "replaced" in await kubectl("replace", "--force", "-f", boats)
    assert "(server dry run)" in await kubectl("delete", "-f", boats, "--dry-run=server")
    assert "deleted" in await kubectl("delete", "-f", boats)
    assert "deleted" in await kubectl("delete", "crd", "widgets.example.com")


async def test_a_held_object_is_waited_for(kubectl: Kubectl, boats: str) -> None:
    await kubectl("apply", "-f", boats)
    await kubectl("patch", "widget", "w", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    deleting = asyncio.create_task(kubectl("delete", "widget", "w"))
    await kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "widget/w", "--timeout=10s")
    await kubectl("patch", "widget", "w", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "deleted" in await deleting


async def test_mistakes_are_told(kubectl: Kubectl, boats: str) -> None:
    bad = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "b"},
        "spec": {"clour": "x", "size": 0},
    }
    status, output = await kubectl.run("create", "-f", kubectl.file("bad.yaml", bad))
    assert status == 1
    assert 'strict decoding error: unknown field "spec.clour"' in output
    status, output = await kubectl.run("create", "--validate=warn", "-f", "bad.yaml")
    assert 'Warning: unknown field "spec.clour"' in output
    assert "should be greater than or equal to 1" in output


async def test_documentation(kubectl: Kubectl, boats: str) -> None:
    assert "How it looks." in await kubectl("explain", "widget.spec.colour")
    assert "What the widget should be." in await kubectl("explain", "widget.spec", "--recursive")
    assert "FIELD: replicas <integer>" in await kubectl("explain", "deployment.spec.replicas")
    resources = await kubectl("api-resources")
    assert re.search(r"widgets +wd +example.com/v1 +true +Widget", resources)
    assert re.search(r"deployments +deploy +apps/v1 +true +Deployment", resources)
    assert "example.com/v1beta1" in await kubectl("api-versions")
    assert "Server Version: v1.33.0" in await kubectl("version")


async def test_watching(kubectl: Kubectl, boats: str) -> None:
    await kubectl("apply", "-f", boats)
    arguments = ("get", "wd", "-w", "--no-headers", "--request-timeout=1s")
    watching = asyncio.create_task(kubectl.run(*arguments))
    await kubectl("wait", "--for=jsonpath={.spec.colour}=red", "widget/w", "--timeout=10s")
    _, output = await watching
    assert re.search(r"^w +red", output)
