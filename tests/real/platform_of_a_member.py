"""What upgrades the members of these tests, by the protocol of webhooks: a platform whose clusters are rows of nodes.

The member's own API server keeps it all: its Nodes, and in the ConfigMap ``platform`` the version of the control plane,
the region and the operations. An operation takes as long as the hub takes to ask for it twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from echelon.api.core import ConfigMap, Node
from echelon.api.meta import Resource
from echelon.kube.client import Client
from echelon.kube.http import HttpTransport
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import load
from echelon.kube.patches import MergePatch

VERSION = "providers.fleet.echelon.dev/v1"
PLATFORM = ("default", "platform")
NODES = Unstructured(Resource("", "v1", "nodes", "Node", namespaced=False))
IMAGE, POOL = "fleet.echelon.dev/node-image", "fleet.echelon.dev/node-pool"
FAMILY = "AKSUbuntu-2204gen2containerd"

Object = dict[str, Any]


@contextmanager
def serving(kubeconfig: Path) -> Iterator[str]:
    """The platform of all members of a kubeconfig, while the context lasts; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"apiVersion": VERSION, **asyncio.run(answered(kubeconfig, question))}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


async def answered(kubeconfig: Path, question: Object) -> Object:
    client = Client(HttpTransport(load(kubeconfig, context=question["member"]["name"])), field_manager="platform")
    method = question["method"]
    try:
        return {"result": await answer(client, method, question)}
    except NotImplementedError:
        return {"error": {"code": "Unsupported", "message": f"no {method} here", "retryable": False}}
    finally:
        await client.close()


async def answer(client: Client, method: str, question: Object) -> Any:
    state = (await client.get(ConfigMap, PLATFORM)).data
    match method:
        case "observe":
            return await observed(client, state)
        case "start":
            operation = {"key": question["key"], "target": question["operation"]}
            if json.loads(state["operation"]).get("key") != question["key"]:
                await put(client, {"operation": json.dumps(operation)})
            return {"handle": question["key"]}
        case "poll":
            return await polled(client, state, question["handle"])
        case _:
            raise NotImplementedError


async def observed(client: Client, state: Any) -> Object:
    pools: dict[str, Object] = {}
    for node in (await client.list(Node)).items:
        labels = node.metadata.labels
        pool = pools.setdefault(labels[POOL], {"name": labels[POOL], "count": 0})
        pool["count"] += 1
        pool["kubernetesVersion"] = node.status.node_info.kubelet_version.lstrip("v")
        pool["nodeImage"] = labels[IMAGE]
    return {
        "controlPlaneVersion": state["version"],
        "nodePools": list(pools.values()),
        "region": state["region"],
        "running": True,
    }


async def polled(client: Client, state: Any, handle: str) -> Object:
    operation = json.loads(state["operation"])
    if operation.get("key") != handle:
        return {"state": "Failed", "message": f"no operation {handle}", "code": "NotFound"}
    if not operation.get("asked"):
        await put(client, {"operation": json.dumps({**operation, "asked": True})})
        return {"state": "Running"}
    await carry_out(client, operation["target"])
    return {"state": "Succeeded"}


async def carry_out(client: Client, target: Object) -> None:
    if target.get("controlPlaneVersion"):
        await put(client, {"version": target["controlPlaneVersion"]})
    images = {image.rpartition("-")[0]: image for image in target.get("nodeImages") or ()}
    for node in (await client.list(Node)).items:
        image = images.get(FAMILY)
        if image is not None:
            await client.patch(NODES, node.metadata.name, MergePatch({"metadata": {"labels": {IMAGE: image}}}))
        if target.get("nodeVersion"):
            info = {"nodeInfo": {"kubeletVersion": f"v{target['nodeVersion']}"}}
            await client.patch(NODES, node.metadata.name, MergePatch({"status": info}), subresource="status")


async def put(client: Client, data: Object) -> None:
    await client.patch(ConfigMap, PLATFORM, MergePatch({"data": data}))


async def build(client: Client, version: str, region: str, image: str) -> None:
    """Make a member one of this platform: one node in the pool ``system``, two in the pool ``user``."""
    data = {"version": version, "region": region, "operation": "{}"}
    metadata = {"name": PLATFORM[1], "namespace": PLATFORM[0]}
    await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    for name, pool in (("system-0", "system"), ("user-0", "user"), ("user-1", "user")):
        labels = {POOL: pool, IMAGE: image}
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}, NODES)
        info = {
            "kubeletVersion": f"v{version}",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
            "kernelVersion": "",
            "osImage": "",
            "containerRuntimeVersion": "",
            "kubeProxyVersion": "",
            "operatingSystem": "",
            "architecture": "",
        }
        status = {"nodeInfo": info}
        await client.patch(NODES, name, MergePatch({"status": status}), subresource="status")
