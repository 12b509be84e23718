#!/usr/bin/env python3
"""A program that upgrades clusters for Echelon, to begin with: see docs/providers.md.

It keeps what it knows of each cluster in a JSON file (CLUSTERS in its environment); put in the place of that file
whatever runs your clusters. Settings of the hub:

    providers:
      commands:
        lab: {command: [/path/to/upgrade-command.py], environment: {CLUSTERS: /var/lib/lab/clusters.json}}

A member with the cluster resource id exec://lab/rack-7 is the cluster rack-7 of the file:

    {"rack-7": {"version": "1.30.0", "pools": {"metal": {"version": "1.30.0", "count": 3}}, "jobs": {}}}
"""

import json
import os
import sys
import time
from pathlib import Path

API_VERSION = "providers.fleet.echelon.dev/v1"
SECONDS = float(os.environ.get("SECONDS", "60"))  # that an upgrade takes


class Refused(Exception):
    """There is no result: a code, a message, and whether the same call may succeed later."""


def observe(cluster, question):
    pools = [
        {"name": name, "count": pool["count"], "kubernetesVersion": pool["version"]}
        for name, pool in cluster["pools"].items()
    ]
    running = [handle for handle, job in cluster["jobs"].items() if not job["ended"]]
    return {"controlPlaneVersion": cluster["version"], "nodePools": pools, "busy": running[0] if running else ""}


def start(cluster, question):
    """The key is the handle: asked again with it, nothing is started."""
    job = {"operation": question["operation"], "began": time.time(), "ended": False}
    cluster["jobs"].setdefault(question["key"], job)
    return {"handle": question["key"]}


def poll(cluster, question):
    job = cluster["jobs"].get(question["handle"])
    if job is None:
        raise Refused("NotFound", f"no job {question['handle']}", False)
    if time.time() < job["began"] + SECONDS:
        return {"state": "Running", "message": "Upgrading"}
    if not job["ended"]:
        finish(cluster, job)
    return {"state": "Succeeded"}


def finish(cluster, job):
    operation = job["operation"]
    cluster["version"] = operation.get("controlPlaneVersion") or cluster["version"]
    for pool in cluster["pools"].values():
        pool["version"] = operation.get("nodeVersion") or pool["version"]
    job["ended"] = True


METHODS = {"observe": observe, "start": start, "poll": poll}


def main():
    question = json.load(sys.stdin)
    file = Path(os.environ["CLUSTERS"])
    clusters = json.loads(file.read_text())
    try:
        name = question["member"]["clusterResourceId"].rpartition("/")[2]
        if name not in clusters:
            raise Refused("NotFound", f"no cluster {name}", False)
        method = METHODS.get(question["method"])
        if method is None:
            raise Refused("Unsupported", f"{question['method']} is not known here", False)
        answer = {"result": method(clusters[name], question)}
    except Refused as refused:
        code, message, retryable = refused.args
        answer = {"error": {"code": code, "message": message, "retryable": retryable}}
    file.write_text(json.dumps(clusters))
    print(json.dumps({"apiVersion": API_VERSION, **answer}))


if __name__ == "__main__":
    main()
