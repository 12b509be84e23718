"""What speaks against a cluster's joining under a name."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from echelon.agent.installation import Belonging
from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec, MemberClusterStatus
from echelon.api.core import Subject
from echelon.api.meta import Condition, ObjectMeta
from echelon.cli.errors import CannotStart
from echelon.cli.joining.checks import hub_rights, member_rights, objection
from echelon.cli.joining.ends import End, address_for
from echelon.kube.client import Client
from echelon.kube.kubeconfig import Connection
from echelon.kube.testing import FakeServer


def end(side: str, id_: str, server: str = "https://api.example.com") -> End:
    return End(side, side.upper(), Connection(server), Client(FakeServer()), id_)  # type: ignore[arg-type]


HUB, CLUSTER = end("hub", "hub-id"), end("member", "cluster-id")
OURS = Belonging("one", "https://hub", "hub-id")


def member(joined: bool = False, deleted: bool = False, **annotations: str) -> MemberCluster:
    known = {names.OWN_PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    condition = Condition("Joined", "True", "MemberClusterJoined")
    moment = "2026-01-01T00:00:00Z" if deleted else None
    return MemberCluster(
        metadata=ObjectMeta(name="one", annotations=known, deletion_timestamp=moment),
        spec=MemberClusterSpec(identity=Subject(kind="User", name="somebody")),
        status=MemberClusterStatus(conditions=(condition,) if joined else ()),
    )


@pytest.mark.parametrize(
    ("belongs", "present"),
    [
        (None, None),
        (OURS, None),
        (OURS, member(joined=True, member_uid="cluster-id")),
        (None, member(member_uid="cluster-id")),
        (None, member()),  # declared by hand, and nobody has come yet
    ],
)
def test_a_cluster_that_can_join(belongs: Belonging | None, present: MemberCluster | None) -> None:
    assert objection("one", HUB, CLUSTER, belongs, present) is None


@pytest.mark.parametrize(
    ("belongs", "present", "why"),
    [
        (
            replace(OURS, hub_id="another", hub_url="https://another", member="seven"),
            None,
            "the member 'MEMBER' is the member 'seven' of another hub, https://another; "
            "let it leave there first: echelon member leave seven",
        ),
        (replace(OURS, member="two"), None, "the member 'MEMBER' is the member 'two' of this hub already"),
        (
            None,
            member(deleted=True),
            "the member 'one' is leaving; wait for that with: echelon member wait -n one --deleted",
        ),
        (
            None,
            member(cluster_resource_id="simulated://one"),
            "the hub has a member 'one' already, which it simulates itself; choose another name",
        ),
        (
            None,
            member(member_uid="other"),
            "the hub has a member 'one' already, and it is another cluster; choose another name",
        ),
        (
            None,
            member(joined=True),
            "the hub has a member 'one' already, whose agent signs in as User somebody; "
            "choose another name, or let that member leave first",
        ),
    ],
)
def test_a_cluster_that_cannot(belongs: Belonging | None, present: MemberCluster | None, why: str) -> None:
    assert objection("one", HUB, CLUSTER, belongs, present) == why


@pytest.mark.parametrize(
    ("server", "given", "address"),
    [
        ("https://api.example.com/", None, "https://api.example.com"),
        ("https://127.0.0.1:6443", "https://hub:6443", "https://hub:6443"),
        ("https://127.0.0.1:6443", "https://127.0.0.1:6443", "https://127.0.0.1:6443"),
    ],
)
def test_the_address_at_which_the_other_side_reaches_a_cluster(server: str, given: str | None, address: str) -> None:
    assert address_for("member", end("hub", "", server), given) == address


@pytest.mark.parametrize(
    ("server", "given", "why"),
    [
        ("https://127.0.0.1:6443", None, "which for the member is the member itself; say with --hub-url where"),
        ("https://[::1]:6443", None, "say with --hub-url"),
        ("https://kind.localhost:6443", None, "say with --hub-url"),
        ("http://api.example.com", None, "is no URL with https"),
        ("https://x", "hub:6443", "'hub:6443' is no URL with https, and a token goes over nothing else"),
    ],
)
def test_an_address_that_would_not_do(server: str, given: str | None, why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        address_for("member", end("hub", "", server), given)


def test_a_server_that_cannot_be_checked_gets_no_token() -> None:
    hub = end("hub", "")
    careless = replace(hub, connection=replace(hub.connection, insecure=True))
    with pytest.raises(CannotStart, match="says insecure-skip-tls-verify"):
        address_for("member", careless, None)


def test_rights_read_as_kubectl_would_ask_for_them() -> None:
    assert [str(right) for right in hub_rights("one", push=False)] == [
        "create memberclusters.cluster.kubernetes-fleet.io",
        "patch serviceaccounts in fleet-member-one",
        "create serviceaccounts/token in fleet-member-one",
    ]
    assert str(hub_rights("one", push=True)[-1]) == "patch secrets in fleet-member-one"
    assert "create clusterrolebindings.rbac.authorization.k8s.io" in map(str, member_rights())
