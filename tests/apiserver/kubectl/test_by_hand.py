"""What needs two kubectls at once, or facts that are known only when it runs."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from .runner import Kubectl

MANIFESTS = Path(__file__).parent / "manifests"


@pytest.fixture(autouse=True)
def manifests(kubectl: Kubectl) -> None:
    shutil.copytree(MANIFESTS, kubectl.folder, dirs_exist_ok=True)


async def line(process: asyncio.subprocess.Process, pattern: str) -> str:
    """The next line that is printed and matches."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while text := (await process.stdout.readline()).decode():
            if re.search(pattern, text):
                return text
    raise AssertionError(f"nothing printed like {pattern}")


async def test_a_held_object_is_waited_for(kubectl: Kubectl) -> None:
    await kubectl("create", "configmap", "held")
    await kubectl("patch", "cm", "held", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    deleting = asyncio.create_task(kubectl("delete", "cm", "held"))
    await kubectl("wait", "--for=jsonpath={.metadata.deletionTimestamp}", "cm/held", "--timeout=10s")
    waiting = asyncio.create_task(kubectl("wait", "--for=delete", "cm/held", "--timeout=10s"))
    await kubectl("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert "deleted" in await deleting
    await waiting


async def test_a_watch_shows_what_changes(kubectl: Kubectl) -> None:
    watching = await kubectl.start("get", "cm", "--watch", "--field-selector=metadata.name=a", "--output-watch-events")
    try:
        await kubectl("create", "configmap", "a", "--from-literal=k=v")
        await line(watching, r"^ADDED +a +1 ")
        await kubectl("patch", "cm", "a", "-p", '{"data":{"l":"w"}}')
        await line(watching, r"^MODIFIED +a +2 ")
        await kubectl("delete", "cm", "a")
        await line(watching, r"^DELETED +a +2 ")
    finally:
        watching.kill()
        await watching.communicate()


async def test_a_rollout_is_followed(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "web.yaml")
    following = await kubectl.start("rollout", "status", "deploy/web", "--timeout=20s")
    await line(following, "Waiting for deployment spec update to be observed")
    for available in (1, 2):
        counts = {"readyReplicas": available, "availableReplicas": available}
        status = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, **counts}
        patch = json.dumps({"status": status})
        await kubectl("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", patch)
    await line(following, "successfully rolled out")
    assert await following.wait() == 0


async def test_a_rollout_is_undone(kubectl: Kubectl) -> None:
    for revision, manifest in ((1, "web.yaml"), (2, "web-2.yaml")):
        await kubectl("apply", "-f", manifest)
        deployment = json.loads(await kubectl("get", "deploy", "web", "-o", "json"))
        await kubectl("apply", "-f", kubectl.file(f"rs-{revision}.yaml", replica_set(deployment, revision)))
    history = await kubectl("rollout", "history", "deploy/web")
    assert re.findall(r"^(\d) ", history, re.M) == ["1", "2"]
    assert "nginx:1" in await kubectl("rollout", "history", "deploy/web", "--revision=1")
    assert "rolled back" in await kubectl("rollout", "undo", "deploy/web", "--to-revision=1")
    assert "nginx:1" in await kubectl("get", "deploy", "web", "-o", "wide")


def replica_set(deployment: dict[str, Any], revision: int) -> dict[str, Any]:
    """What the controller of deployments would have made."""
    template = deployment["spec"]["template"]
    template["metadata"]["labels"]["pod-template-hash"] = str(revision)
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"web-{revision}",
            "labels": template["metadata"]["labels"],
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [owner | {"uid": deployment["metadata"]["uid"]}],
        },
        "spec": {"selector": {"matchLabels": template["metadata"]["labels"]}, "template": template},
    }


async def test_what_controllers_report_is_shown(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", "settings-1.yaml")
    event = yaml.safe_load((MANIFESTS / "event.yaml").read_text())
    event["regarding"]["uid"] = await kubectl("get", "cm", "settings", "-o", "jsonpath={.metadata.uid}")
    await kubectl("create", "-f", kubectl.file("seen.yaml", event))
    assert re.search(r"Warning +Seen .*looker.* it was looked at", await kubectl("describe", "cm", "settings"))


async def test_a_proxy_passes_on(kubectl: Kubectl) -> None:
    proxy = await kubectl.start("proxy", "--port=0")
    try:
        port = int((await line(proxy, "Starting to serve")).strip().rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/namespaces/default HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b'"kind":"Namespace"' in answer
    finally:
        proxy.terminate()
        await proxy.communicate()
