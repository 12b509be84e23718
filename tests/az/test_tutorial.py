"""The update run tutorial by ``az fleet``, as an administrator types it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from .conftest import Az

WHERE = ("--resource-group", "demo", "--fleet-name", "fleet")
GROUPS = {"member1": "group-1a", "member2": "group-1b", "member3": "group-2a", "member4": "group-2a"}
STAGES = """{"stages": [
  {"name": "stage1", "groups": [{"name": "group-1a"}, {"name": "group-1b"}], "afterStageWaitInSeconds": 2},
  {"name": "stage2", "groups": [{"name": "group-2a"}]}]}"""


class Runs:
    """The update runs of the fleet."""

    def __init__(self, az: Az) -> None:
        self._az = az

    def __call__(self, verb: str, name: str, *words: str | Path) -> Any:
        return self._az("fleet", "updaterun", verb, *WHERE, "--name", name, *words)

    def ends(self, name: str, *states: str) -> Any:
        """Wait for a run, as az does it; the run then."""
        wanted = " || ".join(f"status.status.state=='{state}'" for state in states or ("Completed",))
        waiting = ("--custom", wanted, "--interval", "1", "--timeout", "60")
        self._az("fleet", "updaterun", "wait", *WHERE, "--update-run-name", name, *waiting)
        return self("show", name)


def state(run: Any) -> str:
    found: str = run["status"]["status"]["state"]
    return found


def test_from_the_first_run_to_the_last(fleet: Az, tmp_path: Path) -> None:
    runs = Runs(fleet)
    update = ("--upgrade-type", "Full", "--kubernetes-version", "1.30.4", "--node-image-selection", "Latest")
    run = runs("create", "run-1", *update)
    assert state(run) == "NotStarted"
    [stage] = run["status"]["stages"]
    assert (stage["name"], [group["name"] for group in stage["groups"]]) == ("default", ["default"])
    assert [member["name"] for member in stage["groups"][0]["members"]] == sorted(GROUPS)
    runs("start", "run-1")
    members = runs.ends("run-1")["status"]["stages"][0]["groups"][0]["members"]
    times = sorted((member["status"]["startTime"], member["status"]["completedTime"]) for member in members)
    assert all(before[1] <= after[0] for before, after in pairwise(times))

    for member, group in GROUPS.items():
        changed = fleet("fleet", "member", "update", *WHERE, "--name", member, "--update-group", group)
        assert changed["group"] == group
    stages = tmp_path / "example-stages.json"
    stages.write_text(STAGES)
    update = ("--upgrade-type", "ControlPlaneOnly", "--kubernetes-version", "1.31.1", "--stages", str(stages))
    runs("create", "run-2", *update)
    runs("start", "run-2")
    first, second = runs.ends("run-2")["status"]["stages"]
    assert first["afterStageWaitStatus"]["waitDurationInSeconds"] == 2
    assert max(group["status"]["completedTime"] for group in first["groups"]) < second["status"]["startTime"]

    fleet("fleet", "updatestrategy", "create", *WHERE, "--name", "strategy-1", "--stages", stages)
    by_strategy = ("--update-strategy-name", "strategy-1")
    images = ("--upgrade-type", "NodeImageOnly", "--node-image-selection", "Consistent")
    runs("create", "run-5", *by_strategy, *images)
    runs("start", "run-5")
    chosen = runs.ends("run-5")["status"]["nodeImageSelection"]["selectedNodeImageVersions"]
    assert [image["version"] for image in chosen] == ["AKSUbuntu-2204gen2containerd-202410.15.0"]

    update = ("--upgrade-type", "Full", "--kubernetes-version", "1.31.1", "--node-image-selection", "Latest")
    runs("create", "run-6", *by_strategy, *update)
    skipped = runs("skip", "run-6", "--targets", "Group:group-1b")
    assert skipped["status"]["stages"][0]["groups"][1]["status"]["state"] == "Skipped"
    runs("start", "run-6")
    runs("stop", "run-6")
    stopped = runs.ends("run-6", "Stopped", "Completed")
    if state(stopped) == "Stopped":  # az may be slower than the fleet
        assert stopped["status"]["stages"][1]["status"]["state"] == "NotStarted"
        runs("start", "run-6")
        runs.ends("run-6")

    runs("create", "run-7", "--upgrade-type", "ControlPlaneOnly", "--kubernetes-version", "1.31.1")
    runs("start", "run-7")
    run = runs.ends("run-7", "Skipped", "Completed")
    assert run["status"]["stages"][0]["groups"][0]["members"][0]["status"]["state"] == "Skipped"


def test_what_must_be_refused(fleet: Az) -> None:
    def refused(verb: str, name: str, *words: str) -> str:
        return fleet.refused("fleet", "updaterun", verb, *WHERE, "--name", name, *words)

    full = ("--upgrade-type", "Full", "--kubernetes-version")
    assert "is in no ReleaseCatalog; there are: 1.30.0" in refused("create", "bad", *full, "1.99.0")
    strategy = ("--update-strategy-name", "nope")
    assert "there is no UpdateStrategy 'nope'" in refused("create", "bad", "--upgrade-type", "NodeImageOnly", *strategy)
    assert "ResourceNotFound" in refused("start", "bad")
    fleet("fleet", "updaterun", "create", *WHERE, "--name", "kept", "--upgrade-type", "NodeImageOnly")
    assert "the run has no group 'nobody'" in refused("skip", "kept", "--targets", "Group:nobody")
    fleet("fleet", "updaterun", "delete", *WHERE, "--name", "kept", "--yes")
