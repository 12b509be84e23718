"""Who may do what in an embedded fleet, both ways: what is needed is allowed, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import msgspec
import orjson
import pytest

from echelon.api import names
from echelon.api.cluster import InternalMemberCluster, MemberCluster
from echelon.api.core import RBAC, ConfigMap, Namespace, Node, PolicyRule, Role, ServiceAccount, Subject
from echelon.api.meta import ObjectMeta, Resource
from echelon.api.work import AppliedWork, Work
from echelon.apiserver import MASTERS, ApiServer, Credentials, Database, User, summarize
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.errors import Forbidden
from echelon.kube.kinds import Unstructured
from echelon.kube.transport import Response
from echelon.local.cluster import EmbeddedCluster
from echelon.local.fleet import EmbeddedFleet, FleetOptions
from echelon.local.members import MemberSpec
from echelon.local.rights import HUB_USER, PROVIDER_USER, SIMULATION_USER, user_of
from echelon.local.simulation.cluster import DEFAULT_NODES
from echelon.local.simulation.drain import PODS

OWN, OTHER = names.member_namespace("one"), names.member_namespace("two")
SECRETS = Unstructured(Resource("", "v1", "secrets", "Secret", namespaced=True))
CLUSTER_ROLES = Unstructured(Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False))


@pytest.fixture
async def fleet() -> AsyncIterator[EmbeddedFleet]:
    database = Database.open(None, summarize=summarize)
    fleet = EmbeddedFleet(database, FleetOptions(admin_token="secret"))
    await fleet.start([MemberSpec("one"), MemberSpec("two")])
    yield fleet
    await fleet.close()
    await database.close()


def agent(fleet: EmbeddedFleet, member: str = "one") -> Client:
    """A client of the hub as the agent of a member."""
    return fleet.hub.client(User(f"system:fleet-agent:{member}"))


async def refused(call: Awaitable[Any]) -> None:
    with pytest.raises(Forbidden):
        await call


def work(namespace: str) -> Work:
    return Work(metadata=ObjectMeta(name="w", namespace=namespace))


def config_map(namespace: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="c", namespace=namespace))


async def test_an_agent_has_its_own_namespace(fleet: EmbeddedFleet) -> None:
    await fleet.hub.administrator("test").create(work(OWN))
    own = agent(fleet)
    assert [found.metadata.name for found in (await own.list(Work, namespace=OWN)).items] == ["w"]
    assert (await own.get(InternalMemberCluster, (OWN, "one"))).metadata.name == "one"
    async with own.watch(Work, namespace=OWN, initial_events=True) as events:
        assert (await anext(aiter(events))).type == "ADDED"


async def test_an_agent_has_nothing_of_another_member(fleet: EmbeddedFleet) -> None:
    await fleet.hub.administrator("test").create(work(OTHER))
    own = agent(fleet)
    await refused(own.list(Work, namespace=OTHER))
    await refused(own.get(Work, (OTHER, "w")))
    await refused(own.delete(Work, (OTHER, "w")))
    await refused(own.create(work(OTHER)))
    await refused(own.get(InternalMemberCluster, (OTHER, "two")))
    await refused(own.list(Work))


async def test_an_agent_has_nothing_else_of_the_hub(fleet: EmbeddedFleet) -> None:
    own = agent(fleet)
    for namespace in (OWN, "default"):
        await refused(own.list(SECRETS, namespace=namespace))
        await refused(own.create(config_map(namespace)))
    await refused(own.list(MemberCluster))
    await refused(own.list(Namespace))
    more = PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",))
    await refused(own.create(Role(metadata=ObjectMeta(name="more", namespace=OWN), rules=(more,))))
    await refused(own.get_raw("/metrics"))
    assert await own.get_raw("/apis")


async def test_an_agent_administers_its_member_and_no_other(fleet: EmbeddedFleet) -> None:
    user = User("system:fleet-agent:one")
    at_one, at_two = (fleet.clusters[name].client(user) for name in ("one", "two"))
    assert (await at_one.create(config_map("default"))).metadata.name == "c"
    await at_one.list(AppliedWork)
    await refused(at_two.list(ConfigMap, namespace="default"))
    await refused(at_two.list(AppliedWork))


async def test_the_simulation_of_a_member_has_its_nodes_and_its_notes(fleet: EmbeddedFleet) -> None:
    simulation = fleet.clusters["one"].client(User(SIMULATION_USER))
    nodes = (await simulation.list(Node)).items
    assert len(nodes) == DEFAULT_NODES
    assert (await simulation.create(config_map("kube-system"))).metadata.name == "c"
    await simulation.list(PODS)
    for namespace in ("default", "kube-public"):
        await refused(simulation.create(config_map(namespace)))
        await refused(simulation.list(ConfigMap, namespace=namespace))
    await refused(simulation.list(SECRETS, namespace="kube-system"))
    await refused(simulation.delete(Node, nodes[0].key))
    await refused(simulation.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "more"}}))
    more = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "more"}, "rules": []}
    await refused(simulation.create(more, CLUSTER_ROLES))
    await refused(fleet.hub.client(User(SIMULATION_USER)).list(Node))


async def test_the_provider_of_upgrades_looks_at_nodes_and_touches_notes_only(fleet: EmbeddedFleet) -> None:
    provider = fleet.clusters["one"].client(User(PROVIDER_USER))
    node = (await provider.list(Node)).items[0]
    notes = await provider.get(ConfigMap, ("kube-system", "simulated-cluster"))
    changed = msgspec.structs.replace(notes, data={**notes.data, "fault": "busy"})
    assert (await provider.patch_object(notes, changed)).data["fault"] == "busy"
    await refused(provider.delete(ConfigMap, notes.key))
    labels = {**node.metadata.labels, "mine": "yes"}
    metadata = msgspec.structs.replace(node.metadata, labels=labels)
    await refused(provider.patch_object(node, msgspec.structs.replace(node, metadata=metadata)))
    await refused(provider.list(PODS))
    await refused(provider.create(config_map("default")))
    await refused(provider.list(SECRETS, namespace="kube-system"))
    await refused(fleet.hub.client(User(PROVIDER_USER)).list(MemberCluster))


async def test_no_part_of_a_fleet_is_a_master_of_a_member(fleet: EmbeddedFleet) -> None:
    """Whoever set up a member has handed its token back; what goes on is done by users with rights of their own."""
    for name, cluster in fleet.clusters.items():
        credentials = [Credentials(token=token) for token in cluster._clients.values()]
        users = [await cluster._tokens.authenticate(shown) for shown in credentials]
        assert users or name == "hub"
        assert [user for user in users if user is None or MASTERS in user.groups] == []


async def test_a_token_is_good_at_one_cluster_only(fleet: EmbeddedFleet) -> None:
    """Tokens of service accounts are signed by each cluster for itself."""
    administrator = fleet.hub.administrator("test")
    await administrator.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default")))
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    answer = await _ask(fleet.hub.server, "secret", path, "POST")
    token = orjson.loads(answer.body)["status"]["token"]
    assert (await _ask(fleet.hub.server, token, "/version")).status == 200
    assert (await _ask(fleet.clusters["one"].server, token, "/version")).status == 401


async def test_a_released_client_is_not_known_any_more(fleet: EmbeddedFleet) -> None:
    client = agent(fleet)
    token = fleet.hub._clients[client]
    assert (await _ask(fleet.hub.server, token, "/apis")).status == 200
    await fleet.hub.release(client)
    assert (await _ask(fleet.hub.server, token, "/apis")).status == 401


async def test_the_hub_does_its_own_and_no_more(fleet: EmbeddedFleet) -> None:
    hub = fleet.hub.client(User(HUB_USER))
    await hub.list(SECRETS)
    await refused(hub.create(config_map("default")))
    await refused(hub.delete(SECRETS, ("default", "any")))
    more = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "more"}, "rules": []}
    await refused(hub.create(more, CLUSTER_ROLES))
    rules = (PolicyRule(verbs=("delete",), api_groups=("",), resources=("secrets",)),)
    with pytest.raises(Forbidden, match="attempting to grant RBAC permissions not currently held"):
        await hub.create(Role(metadata=ObjectMeta(name="more", namespace="default"), rules=rules))


async def test_an_agent_acts_as_the_identity_of_its_member(fleet: EmbeddedFleet) -> None:
    """It is started again as somebody else once the other identity has its rights."""
    identity = Subject(kind="ServiceAccount", name="robot", namespace="default")
    restarted = asyncio.get_running_loop().create_future()
    start = fleet._start_agent

    async def started(cluster: EmbeddedCluster, given: Subject) -> None:
        await start(cluster, given)
        restarted.set_result(given)

    fleet._start_agent = started  # type: ignore[method-assign]
    administrator = fleet.hub.administrator("test")
    member = await administrator.get(MemberCluster, "one")
    spec = msgspec.structs.replace(member.spec, identity=identity)
    await administrator.patch_object(member, msgspec.structs.replace(member, spec=spec))
    assert await asyncio.wait_for(restarted, 10) == identity
    assert await fleet._agents["one"].hub.list(Work, namespace=OWN)
    await refused(agent(fleet).list(Work, namespace=OWN))


@pytest.mark.parametrize(
    ("identity", "user"),
    [
        (Subject(kind="User", name="eve", api_group=RBAC), User("eve")),
        (Subject(kind="Group", name="agents", api_group=RBAC), User("fallback", ("agents",))),
        (
            Subject(kind="ServiceAccount", name="robot", namespace="team"),
            User("system:serviceaccount:team:robot", ("system:serviceaccounts", "system:serviceaccounts:team")),
        ),
    ],
)
def test_identities(identity: Subject, user: User) -> None:
    assert user_of(identity, "fallback") == user


async def _ask(server: ApiServer, token: str, path: str, method: str = "GET") -> Response:
    transport = AsgiTransport(server, headers={"Authorization": f"Bearer {token}"})
    try:
        return await transport.request(method, path, body=b"" if method == "POST" else None)
    finally:
        await transport.close()
