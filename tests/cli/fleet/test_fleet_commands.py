"""The commands about clusters on a hub, as scripts and people use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from .conftest import Commands

STAGES = json.dumps(
    {
        "stages": [
            {
                "name": "first",
                "groups": [{"name": "canary", "maxConcurrency": 2}],
                "afterGates": [{"type": "Approval", "displayName": "Looks good?"}],
            },
            {"name": "rest", "groups": [{"name": "prod", "maxConcurrency": "100%"}], "afterStageWaitInSeconds": 3600},
        ]
    }
)
NODE_IMAGES = ("--upgrade-type", "NodeImageOnly")
CONTROL_PLANES = ("--upgrade-type", "ControlPlaneOnly", "--kubernetes-version")


def test_a_run_from_its_plan_to_its_end(commands: Commands) -> None:
    commands("updatestrategy", "create", "-n", "careful", "--stages", STAGES)
    upgrade = ("--upgrade-type", "Full", "--kubernetes-version", "v1.30.4", "--update-strategy-name", "careful")
    plan = commands("updaterun", "plan", *upgrade, "--upgrade-time", "10m", "--approval-time", "1h")
    assert "Needs approvals: Looks good? after stage first" in plan.stdout
    assert "(2h20m)" in plan.stdout  # ten minutes, an hour, ten minutes, an hour
    assert commands.data("updaterun", "list") == []

    created = commands("updaterun", "create", "-n", "run-1", *upgrade).stdout
    assert created.startswith("Update run run-1 created, not started: Kubernetes 1.30.4, latest images\n")
    assert "echelon updaterun start -n run-1" in created
    assert commands.state("run-1") == "NotStarted"
    shown = commands("updaterun", "show", "-n", "run-1").stdout
    assert "Waits for its start" in shown

    commands("updaterun", "start", "-n", "run-1")
    commands.wait("run-1", "Pending")
    (gate,) = commands.data("gate", "list", "--state", "Pending", "--update-run-name", "run-1")
    assert (gate["displayName"], gate["target"]["stage"]) == ("Looks good?", "first")
    shown = commands("updaterun", "show", "-n", "run-1").stdout
    assert "Waits for the gate Looks good? of stage first" in shown
    assert f"echelon gate approve -n {gate['name']}" in shown
    assert "the gate" not in commands("gate", "list", "--state", "Completed").stdout

    approved = commands.data("gate", "approve", "-n", gate["name"], "--message", "lgtm")
    assert (approved["state"], approved["completedBy"], approved["message"]) == ("Completed", "echelon-admin", "lgtm")
    commands("gate", "approve", "-n", gate["name"], code=1)  # once
    commands("updaterun", "wait", "-n", "run-1", "--custom", "status.stages[1].afterStageWaitStatus.state=='Running'")
    shown = commands("updaterun", "show", "-n", "run-1").stdout
    assert "Waits for the 1h after stage rest" in shown
    commands("updaterun", "skip", "-n", "run-1", "--targets", "AfterStageWait:rest")
    commands.wait("run-1", "Completed")
    watched = commands("updaterun", "watch", "-n", "run-1").stdout
    assert "run-1/first/canary/member1  updated" in watched
    assert watched.splitlines()[-1].split()[1:3] == ["run-1", "done"]
    assert {member["kubernetesVersion"] for member in commands.data("member", "list")} == {"v1.30.4"}


def test_stop_skip_and_start_again(commands: Commands) -> None:
    stage = {"name": "one", "beforeGates": [{"type": "Approval"}], "groups": [{"name": "prod"}]}
    order = json.dumps({"stages": [stage]})
    commands("updaterun", "create", "-n", "run-2", *NODE_IMAGES, "--stages", order)
    commands("updaterun", "skip", "-n", "run-2", "--targets", "Member:member3", "Member:member4")
    commands.wait("run-2", "Skipped")
    commands("updaterun", "create", "-n", "run-3", *NODE_IMAGES, "--stages", order)
    commands("updaterun", "start", "-n", "run-3")
    commands.wait("run-3", "Pending")
    commands("updaterun", "stop", "-n", "run-3")
    commands.wait("run-3", "Stopped")
    assert "it was stopped" in commands("updaterun", "show", "-n", "run-3").stdout
    assert commands.data("updaterun", "start", "-n", "run-3")["attempt"] == 2
    commands("updaterun", "delete", "-n", "run-3", "-y")
    assert commands.data("gate", "list", "--update-run-name", "run-3") == []
    commands("updaterun", "wait", "-n", "run-3", "--deleted")
    commands("updaterun", "wait", "-n", "run-3", "--exists", "--timeout", "1", code=3)


def test_a_run_that_is_not_started_is_changed_by_create(commands: Commands) -> None:
    commands("updaterun", "create", "-n", "run-4", *NODE_IMAGES)
    commands("updaterun", "create", "-n", "run-4", *CONTROL_PLANES, "1.31.1")
    run = commands.data("updaterun", "show", "-n", "run-4")
    assert run["managedClusterUpdate"]["upgrade"] == {"type": "ControlPlaneOnly", "kubernetesVersion": "1.31.1"}
    commands("updaterun", "delete", "-n", "run-4", "--yes", "--no-wait")


REFUSED = [
    pytest.param(("--upgrade-type", "Full"), 2, "--kubernetes-version must be set", id="no version"),
    pytest.param((*NODE_IMAGES, "--kubernetes-version", "1.31.1"), 2, "cannot be set when", id="superfluous version"),
    pytest.param(("--kubernetes-version", "1.31.1"), 2, "--upgrade-type is wanted", id="no type"),
    pytest.param((*NODE_IMAGES, "--stages", STAGES, "--update-strategy-name", "x"), 2, "cannot both be set", id="both"),
    pytest.param((*NODE_IMAGES, "--update-strategy-name", "nope"), 1, "no UpdateStrategy 'nope'", id="name"),
    pytest.param((*NODE_IMAGES, "--stages", '{"stages": []}'), 2, "must have at least one stage", id="no stages"),
    pytest.param((*NODE_IMAGES, "--stages", "nowhere.json"), 2, "there is no file 'nowhere.json'", id="no file"),
    pytest.param(
        (*NODE_IMAGES, "--stages", '{"stages": [{"name": "a", "groups": [{"name": "x"}]}]}'),
        1,
        "no member is in the group 'x'; there are: canary, prod",
        id="unknown group",
    ),
    pytest.param(
        (*NODE_IMAGES, "--stages", '{"stages": [{"name": "a", "groups": [{"name": "prod"}, {"name": "prod"}]}]}'),
        1,
        "group 'prod' appears twice",
        id="duplicate group",
    ),
    pytest.param(
        ("--upgrade-type", "Full", "--kubernetes-version", "1.29.9"), 1, "is in no ReleaseCatalog", id="no such version"
    ),
    pytest.param(
        ("--upgrade-type", "Full", "--kubernetes-version", "1.32.0"), 1, "more than one minor version", id="too far"
    ),
    pytest.param(("--upgrade-type", "Full", "--kubernetes-version", "latest"), 2, "is not a Kubernetes", id="text"),
]


@pytest.mark.parametrize("verb", ["create", "plan"])
@pytest.mark.parametrize(("options", "code", "why"), REFUSED)
def test_what_is_refused_changes_nothing(
    commands: Commands, verb: str, options: tuple[str, ...], code: int, why: str
) -> None:
    refused = commands("updaterun", verb, "-n", "bad", *options, code=code)
    assert why in refused.stderr
    assert refused.stdout == ""
    commands("updaterun", "show", "-n", "bad", code=1)


@pytest.fixture(scope="module")
def done(commands: Commands) -> str:
    """The name of a run that is over."""
    commands("updaterun", "create", "-n", "over", *CONTROL_PLANES, "1.30.4")
    commands("updaterun", "start", "-n", "over")
    commands("updaterun", "wait", "-n", "over", "--custom", "contains(['Completed', 'Skipped'], status.state)")
    return "over"


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("start",), 1, "create a new one"),
        (("skip", "--targets", "Gruop:x"), 2, "accepted are Member, Group, Stage, AfterStageWait"),
        (("skip", "--targets", "Group"), 2, "want a type and a name"),
        (("create", *NODE_IMAGES), 1, "was started; this can no longer be changed"),
    ],
)
def test_what_cannot_be_asked_of_a_run(
    commands: Commands, done: str, words: tuple[str, ...], code: int, why: str
) -> None:
    before = commands.data("updaterun", "show", "-n", done)
    refused = commands("updaterun", words[0], "-n", done, *words[1:], code=code)
    assert why in refused.stderr
    assert commands.data("updaterun", "show", "-n", done) == before


def test_unknown_names_are_told_with_those_there_are(commands: Commands) -> None:
    assert (
        "there is no member 'nope'; there is: member1, member2, "
        in commands("member", "show", "-n", "nope", code=1).stderr
    )
    assert "there is no gate" in commands("gate", "approve", "-n", "nope", code=1).stderr
    assert (
        "there is no update strategy 'x'"
        in commands(
            "autoupgradeprofile", "create", "-n", "p", "-c", "Rapid", "--update-strategy-name", "x", code=1
        ).stderr
    )


def test_members(commands: Commands) -> None:
    commands("member", "update", "-n", "member1", "--update-group", "other", "--labels", "team=a env=prod")
    member = commands.data("member", "show", "-n", "member1")
    assert (member["group"], member["labels"]["env"], member["region"]) == ("other", "prod", "eastus")
    commands("member", "update", "-n", "member1", "--update-group", "canary", "--member-labels", "")
    member = commands.data("member", "show", "-n", "member1")
    assert set(member["labels"]) == {"topology.kubernetes.io/region"}
    created = ("member", "create", "-n", "member9", "--member-cluster-id")
    assert "is no cluster resource id" in commands(*created, "nine", code=2).stderr
    commands(*created, "eks://eu-west-1/nine", "--update-group", "prod")
    assert commands.data("member", "show", "-n", "member9")["provisioningState"] == "Joining"
    commands("member", "wait", "-n", "member9", "--created", "--timeout", "0.1", code=3)
    commands("member", "delete", "-n", "member9", "-y", "--no-wait")


def test_names_of_the_fleet_are_checked_where_the_hub_says_them(commands: Commands) -> None:
    commands("member", "list", "-g", "any", "-f", "any")
    commands("member", "list", "--resource-group", "demo", "--fleet-name", "fleet")


def test_results_as_data(commands: Commands) -> None:
    listed = ("member", "list", "--query", "[?group=='prod'].{n: name, images: nodeImages, region: region}")
    assert commands(*listed, "-o", "tsv").stdout == "member3\t1\twesteurope\nmember4\t1\twesteurope\n"
    assert [item["n"] for item in yaml.safe_load(commands(*listed, "-o", "yaml").stdout)] == ["member3", "member4"]
    assert commands(*listed).stdout.splitlines()[0].split() == ["N", "REGION"]
    assert "no JMESPath expression" in commands("member", "list", "--query", "[?", code=2).stderr
    assert commands("member", "show", "-n", "member3", "--query", "nothing", "-o", "tsv").stdout == ""


def test_profiles(commands: Commands) -> None:
    create = ("autoupgradeprofile", "create", "-n", "rapid")
    assert "must be set when" in commands(*create, "-c", "TargetKubernetesVersion", code=2).stderr
    assert "cannot be set when" in commands(*create, "-c", "Rapid", "--tkv", "1.31", code=2).stderr
    assert "cannot be set when" in commands(*create, "-c", "Rapid", "--lts", code=2).stderr
    assert "it has its own" in commands(*create, "-c", "NodeImage", "--node-image-selection", "Latest", code=2).stderr
    commands(*create, "-c", "TargetKubernetesVersion", "--tkv", "1.31", "--disabled")
    run = commands.data("autoupgradeprofile", "generate-update-run", "-n", "rapid")
    assert run["name"].startswith("auto-rapid-targetkubernetesversion-1-31-1-")
    assert run["status"]["state"] == "NotStarted"
    assert "was made for the same before" in commands("autoupgradeprofile", "generate-update-run", "-n", "rapid").stdout
    commands("autoupgradeprofile", "delete", "-n", "rapid", "-y")
    assert commands.data("autoupgradeprofile", "list") == []
    commands("updaterun", "delete", "-n", run["name"], "-y")


def test_a_file_of_stages(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "stages.json"
    file.write_text(STAGES)
    found = commands.data("updatestrategy", "create", "-n", "from-file", "--stages", str(file))
    assert [stage["name"] for stage in found["strategy"]["stages"]] == ["first", "rest"]
    assert "first (canary) → rest (prod)" in commands("updatestrategy", "show", "-n", "from-file").stdout
    commands("updatestrategy", "delete", "-n", "from-file", "-y")
