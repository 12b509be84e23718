"""A cluster that is upgraded by a program: its state is a JSON file, and it carries on when it is told to.

As a program it is what a user would write for the protocol of commands; it needs nothing of Echelon. The state
has also what the test wants of it: ``hold`` begins nothing, ``fail`` lets an operation fail, ``down`` lets no
question through, ``mute`` are methods that are not known; ``quick`` ends an operation when it is asked about again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VERSION = "providers.fleet.echelon.dev/v1"
START: dict[str, Any] = {
    "version": "1.30.0",
    "pools": {"system": ["1.30.0", 1], "user": ["1.30.0", 2]},
    "operations": {},
    "mute": [],
}


class Refused(Exception):
    def __init__(self, code: str, message: str, retryable: bool) -> None:
        self.error = {"code": code, "message": message, "retryable": retryable}


def respond(state: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question; changes the state."""
    try:
        return {"apiVersion": VERSION, "result": result_of(state, question)}
    except Refused as refused:
        return {"apiVersion": VERSION, "error": refused.error}


def result_of(state: dict[str, Any], question: dict[str, Any]) -> Any:
    if state.get("down"):
        raise Refused("Network", "the data centre does not answer", True)
    if question["method"] in state["mute"]:
        raise Refused("Unsupported", "not here", False)
    match question["method"]:
        case "observe":
            return observed(state)
        case "versions":
            return [{"version": "1.30.0"}, {"version": "1.31.1"}]
        case "nodeImages":
            raise Refused("Unsupported", "images are what they are", False)
        case "preflight":
            return []
        case "start":
            return start(state, question["key"], question["operation"])
        case "poll":
            progress = find(state, question["handle"])["progress"]
            if state.get("quick"):
                carry_on(state)
            return progress
        case _:
            return abort(find(state, question["handle"]))


def observed(state: dict[str, Any]) -> dict[str, Any]:
    pools = [{"name": n, "count": c, "kubernetesVersion": v} for n, (v, c) in state["pools"].items()]
    open_ = [name for name, found in state["operations"].items() if found["progress"]["state"] in ("Queued", "Running")]
    return {"controlPlaneVersion": state["version"], "nodePools": pools, "busy": "".join(open_[:1])}


def start(state: dict[str, Any], key: str, operation: dict[str, Any]) -> dict[str, Any]:
    begun = "Queued" if state.get("hold") else "Running"
    state["operations"].setdefault(key, {"operation": operation, "progress": {"state": begun}})
    return {"handle": key}


def find(state: dict[str, Any], handle: str) -> dict[str, Any]:
    if handle not in state["operations"]:
        raise Refused("NotFound", f"no operation {handle}", False)
    return state["operations"][handle]


def abort(found: dict[str, Any]) -> dict[str, Any]:
    if found["progress"]["state"] == "Queued":
        found["progress"] = {"state": "Aborted", "code": "Aborted", "message": "called off"}
    return {"calledOff": found["progress"]["state"] == "Aborted"}


def carry_on(state: dict[str, Any]) -> None:
    """Bring everything to its end."""
    for found in state["operations"].values():
        if found["progress"]["state"] not in ("Queued", "Running"):
            continue
        if state.get("fail"):
            found["progress"] = {"state": "Failed", "code": "TooHot", "message": "the machines are too hot"}
            continue
        operation = found["operation"]
        state["version"] = operation["controlPlaneVersion"] or state["version"]
        for pool in state["pools"].values():
            pool[0] = operation["nodeVersion"] or pool[0]
        count = 3 if operation["nodeVersion"] else 0
        found["progress"] = {"state": "Succeeded", "nodesDone": count, "nodesTotal": count}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    kept = json.loads(file.read_text())
    answered = respond(kept, json.load(sys.stdin))
    file.write_text(json.dumps(kept))
    print(json.dumps(answered))
