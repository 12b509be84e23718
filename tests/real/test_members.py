"""Members join, work and leave, on clusters that hold nothing of Echelon and have no controllers of their own."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from echelon.api.cluster import InternalMemberCluster, MemberCluster
from echelon.api.core import ConfigMap, Namespace, RoleBinding, ServiceAccount
from echelon.api.crds import manifests
from echelon.api.meta import ObjectMeta, Resource
from echelon.api.work import Work
from echelon.kube import kubeconfig
from echelon.kube.client import Client
from echelon.kube.credentials import StaticCredentials, bearer
from echelon.kube.errors import Forbidden, NotFound
from echelon.kube.kinds import Unstructured
from echelon.kube.patches import MergePatch

from .fleet import CONFIG_MAPS, HUB_NAMESPACE, SECRETS, Fleet, as_user, fleet_of

CONTROLLERS = Path(__file__).parent / "controllers.py"
OWN, OTHER = "fleet-member-one", "fleet-member-two"
PLACEMENT = {
    "apiVersion": "placement.kubernetes-fleet.io/v1beta1",
    "kind": "ClusterResourcePlacement",
    "metadata": {"name": "shop"},
    "spec": {
        "resourceSelectors": [{"group": "", "version": "v1", "kind": "Namespace", "name": "shop"}],
        "policy": {"placementType": "PickAll"},
    },
}
PLACEMENTS = Unstructured(
    Resource("placement.kubernetes-fleet.io", "v1beta1", "clusterresourceplacements", "ClusterResourcePlacement", False)
)


@pytest.fixture
def fleet(clusters: Path, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_of(clusters, tmp_path / "fleet") as fleet:
        yield fleet


def has(found: dict[str, Any] | None, type_: str, status: str = "True") -> bool:
    conditions = ((found or {}).get("status") or {}).get("conditions") or ()
    return any(each["type"] == type_ and each["status"] == status for each in conditions)


def select(fleet: Fleet, value: str) -> None:
    """Have the hub place a ConfigMap with this value on all members."""

    async def create(client: Client) -> None:
        await client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        metadata = {"name": "settings", "namespace": "shop"}
        await client.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": value}})
        await client.apply(PLACEMENT)

    fleet.at("hub", create)


def arrives(fleet: Fleet, at: str, value: str) -> None:
    fleet.until(
        at, ConfigMap.resource, ("shop", "settings"), lambda found: found is not None and found["data"]["key"] == value
    )


def joins(fleet: Fleet, name: str) -> None:
    fleet.until("hub", MemberCluster.resource, ("", name), lambda found: has(found, "Joined"))


async def refused(call: Awaitable[Any]) -> None:
    with pytest.raises(Forbidden):
        await call


def test_a_member_from_its_join_to_its_first_placement(fleet: Fleet) -> None:
    early = fleet.refused(*fleet.member("join", "one", "member1"))
    assert "the hub 'hub' has no kinds of a fleet: it is no hub yet" in early
    fleet.install()

    planned = list(yaml.safe_load_all(fleet.done(*fleet.member("join", "one", "member1", "--dry-run", "-o", "yaml"))))
    assert [obj["kind"] for obj in planned if obj["kind"] in ("MemberCluster", "Deployment", "Secret")] == [
        "MemberCluster",
        "Secret",
        "Deployment",
    ]
    assert fleet.at("hub", lambda client: client.list(MemberCluster)).items == []
    secret = next(obj for obj in planned if obj["kind"] == "Secret")
    assert base64.b64decode(secret["data"]["token"]) == b"(issued by the join)"

    options = ["--label", "environment=canary", "--update-group", "first", "--cluster-resource-id", "eks://x/one"]
    fleet.done(*fleet.member("join", "one", "member1", *options))
    fleet.start_agent("one", "member1")
    said = fleet.done(*fleet.member("join", "one", "member1", "--label", "order=2", "--wait", "--timeout", "60"))
    assert said.endswith("one has joined\n")
    member = fleet.at("hub", lambda client: client.get(MemberCluster, "one"))
    assert {key: member.metadata.labels.get(key) for key in ("environment", "order")} == {
        "environment": "canary",
        "order": "2",
    }
    assert member.metadata.annotations["fleet.echelon.dev/cluster-resource-id"] == "eks://x/one"

    select(fleet, "one")
    arrives(fleet, "member1", "one")
    assert fleet.stop("one") == 0
    assert "Traceback" not in fleet.log("one")
    assert "Forbidden" not in fleet.log("hub")


def test_what_cannot_join_is_refused_and_changes_nothing(fleet: Fleet) -> None:
    fleet.install()
    fleet.done(*fleet.member("join", "one", "member1"))
    clash = fleet.refused(*fleet.member("join", "one", "member2"))
    assert "the hub has a member 'one' already, and it is another cluster" in clash
    again = fleet.refused(*fleet.member("join", "two", "member1"))
    assert "the member 'member1' is the member 'one' of this hub already" in again

    async def of_another_hub(client: Client) -> None:
        patch = MergePatch({"data": {"hubID": "another", "hub": "https://other.example.com"}})
        await client.patch(CONFIG_MAPS, (HUB_NAMESPACE, "fleet-agent"), patch)

    fleet.at("member1", of_another_hub)
    elsewhere = fleet.refused(*fleet.member("join", "one", "member1"))
    assert "is the member 'one' of another hub, https://other.example.com; let it leave there first" in elsewhere
    local = fleet.run("member", "join", "x", "--hub-context", "hub", "--member-context", "member2")
    assert local.returncode == 2
    assert "which for the member is the member itself; say with --hub-url" in local.stderr

    (applied_works,) = [crd for crd in manifests() if crd["spec"]["names"]["kind"] == "AppliedWork"]
    foreign = {**applied_works, "metadata": {"name": applied_works["metadata"]["name"]}}
    fleet.at("member3", lambda client: client.create(foreign))
    other = fleet.refused(*fleet.member("join", "three", "member3"))
    assert "the kind appliedworks.placement.kubernetes-fleet.io of another fleet manager, whose agent" in other
    assert "kind: Deployment" in fleet.done(*fleet.member("join", "three", "member3", "--adopt", "--dry-run"))

    fleet.at("member2", lambda client: client.create(ServiceAccount(metadata=_named("nobody", "default"))))
    token = fleet.at("member2", lambda client: client.issue_token(("default", "nobody"), 600))
    _write(fleet, "nobody", "member2", token)
    options = ["--hub-url", fleet.connection("hub").server, "--member-kubeconfig", fleet.folder / "nobody"]
    powerless = fleet.refused("member", "join", "two", "--hub-context", "hub", *options)
    assert "refuses: namespaces" in powerless  # it may not even see which cluster it is
    assert [each.metadata.name for each in fleet.at("hub", lambda client: client.list(MemberCluster)).items] == ["one"]


def test_an_agent_has_its_own_namespace_and_nothing_else(fleet: Fleet) -> None:
    fleet.install()
    for name, at in (("one", "member1"), ("two", "member2")):
        fleet.done(*fleet.member("join", name, at))
    secret = fleet.at("member1", lambda client: client.get(SECRETS, (HUB_NAMESPACE, "fleet-agent-hub")))
    token = base64.b64decode(secret["data"]["token"]).decode()
    hub = fleet.connection("hub")
    agent = msgspec.structs.replace(hub, credentials=StaticCredentials(bearer(token)))
    work = Work(metadata=_named("w", OWN))
    fleet.at("hub", lambda client: client.create(work))
    fleet.at("hub", lambda client: client.create(Work(metadata=_named("w", OTHER))))

    async def needs(client: Client) -> None:
        found = await client.get(Work, (OWN, "w"))
        assert len((await client.list(Work, namespace=OWN)).items) == 1
        internal = await client.get(InternalMemberCluster, (OWN, "one"))
        await client.patch(InternalMemberCluster, internal.key, MergePatch({"status": {}}), subresource="status")
        await client.patch(Work, found.key, MergePatch({"status": {"conditions": []}}), subresource="status")
        await client.patch(Work, found.key, MergePatch({"metadata": {"finalizers": []}}))
        async with client.watch(Work, namespace=OWN, initial_events=True, timeout=5) as events:
            assert (await anext(events)).type == "ADDED"
        assert await client.issue_token((OWN, "fleet-agent"), 600)

    async def is_refused(client: Client) -> None:
        for other in (OTHER, HUB_NAMESPACE, "default"):
            await refused(client.list(Work, namespace=other))
            await refused(client.list(ServiceAccount, namespace=other))
            await refused(client.issue_token((other, "fleet-agent"), 600))
        await refused(client.get(Work, (OTHER, "w")))
        await refused(client.get(InternalMemberCluster, (OTHER, "two")))
        await refused(client.list(Work))
        for namespace in (OWN, OTHER, HUB_NAMESPACE):
            await refused(client.list(SECRETS, namespace=namespace))
            await refused(client.list(CONFIG_MAPS, namespace=namespace))
        await refused(client.create(Work(metadata=_named("more", OWN))))
        await refused(client.delete(Work, (OWN, "w")))
        await refused(client.create(ServiceAccount(metadata=_named("more", OWN))))
        await refused(client.issue_token((OWN, "default"), 600))
        await refused(client.list(RoleBinding, namespace=OWN))
        await refused(client.list(PLACEMENTS))
        await refused(client.list(MemberCluster))
        await refused(client.list(Namespace))
        spec = MergePatch({"spec": {"state": "Leave"}})
        await refused(client.patch(InternalMemberCluster, (OWN, "one"), spec))

    as_user(agent, needs)
    as_user(agent, is_refused)


def test_a_token_that_has_ended_is_told_and_replaced(fleet: Fleet) -> None:
    fleet.install()
    fleet.done(*fleet.member("join", "one", "member1"))
    fleet.start_agent("one", "member1")
    joins(fleet, "one")
    account = ("fleet-member-one", "fleet-agent")

    async def end_all_tokens(client: Client) -> None:
        await client.delete(ServiceAccount, account)

    fleet.at("hub", end_all_tokens)
    assert fleet.stop("one") == 0
    select(fleet, "late")
    fleet.start_agent("one", "member1")
    wait_for_line(fleet, "one", "the hub does not take the agent's token")
    assert "echelon member join one --renew" in fleet.log("one")
    token = fleet.folder / "one.token"
    before = token.read_text()
    assert before not in fleet.log("one")

    fleet.done(*fleet.member("join", "one", "member1", "--renew"))
    secret = fleet.at("member1", lambda client: client.get(SECRETS, (HUB_NAMESPACE, "fleet-agent-hub")))
    token.write_bytes(base64.b64decode(secret["data"]["token"]))  # as a kubelet mounts it
    arrives(fleet, "member1", "late")


def test_a_hub_that_pushes_needs_no_agent_in_the_member(fleet: Fleet) -> None:
    fleet.install()
    address = fleet.connection("member2").server
    fleet.done(*fleet.member("join", "two", "member2", "--push", "--member-url", address, "--wait", "--timeout", "60"))
    select(fleet, "pushed")
    arrives(fleet, "member2", "pushed")
    here = fleet.at("member2", lambda client: client.list(SECRETS, namespace=HUB_NAMESPACE)).items
    assert [each["metadata"]["name"] for each in here] == []

    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/touch", "args": ["/tmp/x"]}
    kept = (OTHER, "member-kubeconfig")

    async def wants_a_program(client: Client) -> None:
        found = await client.get(SECRETS, kept)
        content = yaml.safe_load(base64.b64decode(found["data"]["kubeconfig"]))
        content["users"][0]["user"] = {"exec": plugin}
        encoded = base64.b64encode(yaml.safe_dump(content).encode()).decode()
        await client.patch(SECRETS, kept, MergePatch({"data": {"kubeconfig": encoded}}))

    fleet.at("hub", wants_a_program)
    found = fleet.until("hub", MemberCluster.resource, ("", "two"), lambda found: has(found, "Healthy", "False"))
    assert found is not None
    assert "exec is refused, as no program is run for it" in str(found["status"]["conditions"])
    fleet.done(*fleet.member("join", "two", "member2", "--renew", "--member-url", address))
    fleet.until("hub", MemberCluster.resource, ("", "two"), lambda found: has(found, "Healthy"))
    select(fleet, "again")
    arrives(fleet, "member2", "again")


def test_members_leave_with_and_without_what_was_placed(fleet: Fleet) -> None:
    fleet.install()
    for name, at in (("one", "member1"), ("two", "member2"), ("three", "member3")):
        fleet.done(*fleet.member("join", name, at))
        fleet.start_agent(name, at)
    select(fleet, "here")
    for at in ("member1", "member2", "member3"):
        arrives(fleet, at, "here")

    with controllers(fleet):
        said = fleet.done(*fleet.member("leave", "one", "member1", "--yes", "--timeout", "60"))
        assert "one has left" in said
        assert "What was placed stays on it:\n  ConfigMap shop/settings\n  Namespace shop\n" in said
        assert said.endswith("Its agent is removed from the member 'member1'\n")

        fleet.kill("three")
        gone = fleet.run("member", "leave", "three", "--hub-context", "hub", "--yes", "--timeout", "1")
        assert gone.returncode == 3
        assert "It goes on leaving; with --force the hub does not wait for its agent" in gone.stderr
        said = fleet.done("member", "leave", "three", "--hub-context", "hub", "--yes", "--force", "--timeout", "60")
        assert "ConfigMap shop/settings" in said
        assert "echelon member leave three --member-context … removes it" in said
        said = fleet.done(*fleet.member("leave", "three", "member3", "--yes"))
        assert said == "Its agent is removed from the member 'member3'\n"
        wrong = fleet.refused(*fleet.member("leave", "three", "member2", "--yes"))
        assert "the member 'member2' is not 'three' but the member 'two' of" in wrong

        fleet.done(*fleet.member("leave", "two", "member2", "--yes", "--delete", "--timeout", "60"))
    for at in ("member1", "member3"):
        assert fleet.at(at, lambda client: client.get(CONFIG_MAPS, ("shop", "settings")))["data"] == {"key": "here"}
    with pytest.raises(NotFound):
        fleet.at("member2", lambda client: client.get(CONFIG_MAPS, ("shop", "settings")))
    for at in ("member1", "member2", "member3"):
        left = fleet.at(at, lambda client: client.list(CONFIG_MAPS, namespace=HUB_NAMESPACE)).items
        assert [each["metadata"]["name"] for each in left if not each["metadata"]["name"].startswith("kube-")] == []


@contextmanager
def controllers(fleet: Fleet) -> Iterator[None]:
    """What lets deleted things go, where servers have nothing of the kind; elsewhere it finds nothing to do."""
    command = [sys.executable, CONTROLLERS, fleet.clusters, "hub", "member1", "member2", "member3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.terminate()


def wait_for_line(fleet: Fleet, name: str, text: str) -> None:
    """Wait until a process has logged something, by reading its log as it grows."""
    with subprocess.Popen(
        ["tail", "-n", "+1", "-F", fleet.folder / f"{name}.log"], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        try:
            assert any(text in line for line in tail.stdout)
        finally:
            tail.kill()


def _named(name: str, namespace: str) -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace)


def _write(fleet: Fleet, file: str, context: str, token: str) -> None:
    at = fleet.connection(context)
    entry = kubeconfig.Entry(file, at.server, at.authority, token=token)
    kubeconfig.write(fleet.folder / file, [entry], current=file)
