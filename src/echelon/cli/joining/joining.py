"""How a cluster joins: every step can be done again, and a join that broke off is finished by the next.

On the hub it gets a MemberCluster, whose controller makes the member's namespace and rights, and in that
namespace the account of its agent. On the member an agent is installed with a token of that account. Where
the hub is to push, it is the other way round: the member gets an account, and the hub keeps a kubeconfig
with a token of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from echelon.agent import installation
from echelon.agent.installation import Belonging, HubSecret
from echelon.agent.push.kubeconfigs import Secret, secret_of
from echelon.agent.token import DEFAULT_LIFE, seconds
from echelon.api import names
from echelon.api.cluster import MemberCluster, MemberClusterSpec
from echelon.api.conditions import READY_TO_JOIN, find_condition
from echelon.api.core import Subject
from echelon.api.crds import manifests
from echelon.api.meta import ObjectMeta, from_dict, to_dict
from echelon.api.work import AppliedWork
from echelon.cli.errors import Failed
from echelon.cli.fleet.changing import create_or_change
from echelon.cli.fleet.nouns import MEMBER
from echelon.cli.fleet.waiting import Deadline, TimedOut, until
from echelon.cli.joining import checks
from echelon.cli.joining.ends import End
from echelon.kube import crds
from echelon.kube.errors import NotFound
from echelon.kube.kinds import Unstructured
from echelon.kube.kubeconfig import Entry

HUB_PATIENCE = 60.0  # seconds for the hub's controllers to take a member up
Object = dict[str, Any]
Tell = Callable[[str], None]


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be: the member, and how hub and member reach each other."""

    name: str
    hub_url: str
    member_url: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    image: str = ""
    placing_role: str = "cluster-admin"
    token_life: timedelta = DEFAULT_LIFE
    push: bool = False
    adopt: bool = False

    @property
    def namespace(self) -> str:
        return names.member_namespace(self.name)


async def check(hub: End, member: End, wanted: Membership) -> MemberCluster | None:
    """See that nothing speaks against it; gives the member of that name that the hub has.

    Raises:
        Failed: naming what does; nothing was changed.
    """
    await checks.check_is_hub(hub)
    for end in (hub, member):
        await checks.check_version(end)
    await checks.check_rights(hub, checks.hub_rights(wanted.name, push=wanted.push))
    await checks.check_rights(member, checks.member_rights())
    if not wanted.adopt:
        await checks.check_no_other_agent(member)
    try:
        present = await hub.client.get(MemberCluster, wanted.name)
    except NotFound:
        present = None
    problem = checks.objection(wanted.name, hub, member, await checks.belonging(member), present)
    if problem:
        raise Failed(f"{problem}. Nothing was changed")
    return present


async def join(hub: End, member: End, wanted: Membership, tell: Tell) -> None:
    """Do all of it; ``tell`` is given a line for each step."""
    _, created = await create_or_change(
        hub.client, MemberCluster, member_cluster(member, wanted), lambda present: _changed(present, member, wanted)
    )
    tell(f"MemberCluster {wanted.name} {'created' if created else 'is there'}")
    await _wait_until_ready(hub, wanted.name)
    tell(f"The hub has made {wanted.namespace} and the rights there")
    await _apply(hub, [account_on_hub(wanted)])
    await crds.install(member.client, applied_works())
    await _apply(member, installation.foundation(_belonging(hub, wanted), wanted.placing_role))
    if wanted.push:
        await _keep_kubeconfig(hub, member, wanted)
        await _remove(member, lambda obj: obj["kind"] in ("Deployment", "Secret"))
        tell(f"The hub has a kubeconfig for the {member.title}; what there is for it is in {installation.NAMESPACE}")
        return
    secret = await _token_for(hub, wanted)
    await _apply(member, installation.pulling(_belonging(hub, wanted), secret, wanted.image, wanted.token_life))
    await hub.client.delete(
        Secret, (wanted.namespace, names.MEMBER_KUBECONFIG), missing_ok=True
    )  # of a time when the hub pushed
    tell(f"The agent is installed in {installation.NAMESPACE} of the {member.title}")


async def renew(hub: End, member: End, present: MemberCluster, wanted: Membership, tell: Tell) -> None:
    """Give an agent, or a hub that pushes, a new token and leave everything else as it is."""
    if present.metadata.annotations.get(names.CONNECTION) == names.PUSH:
        await _keep_kubeconfig(hub, member, wanted)
        tell(f"The hub has a new token for the {member.title}")
        return
    await _apply(hub, [account_on_hub(wanted)])  # it may have been deleted to end all its tokens
    secret = await _token_for(hub, wanted)
    await _apply(member, [installation.secret_for(secret)])
    tell(f"The agent of {wanted.name} has a new token; it takes it within two minutes")


def manifests_of(hub: End, member: End, wanted: Membership) -> tuple[list[Object], list[Object]]:
    """What a join puts on the hub and on the member; in the place of secrets there is a word."""
    on_hub = [to_dict(member_cluster(member, wanted)), account_on_hub(wanted)]
    on_member = [*applied_works(), *installation.foundation(_belonging(hub, wanted), wanted.placing_role)]
    if wanted.push:
        hidden = secret_of(wanted.namespace, Entry(wanted.name, wanted.member_url, token="(issued by the join)"))
        return [*on_hub, hidden], on_member
    secret = HubSecret("(issued by the join)", hub.connection.authority)
    return on_hub, [
        *on_member,
        *installation.pulling(_belonging(hub, wanted), secret, wanted.image, wanted.token_life),
    ]


def member_cluster(member: End, wanted: Membership) -> MemberCluster:
    """The MemberCluster of a new member."""
    identity = Subject(kind="ServiceAccount", name=names.AGENT_ACCOUNT, namespace=wanted.namespace)
    annotations = {**wanted.annotations, names.MEMBER_UID: member.id}
    if wanted.push:
        annotations[names.CONNECTION] = names.PUSH
    return MemberCluster(
        metadata=ObjectMeta(name=wanted.name, labels=wanted.labels, annotations=annotations),
        spec=MemberClusterSpec(identity=identity),
    )


def account_on_hub(wanted: Membership) -> Object:
    """The account by which the agent is known on the hub: it is in the only namespace that it has rights in."""
    metadata = {"name": names.AGENT_ACCOUNT, "namespace": wanted.namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}


def applied_works() -> list[Object]:
    """The one kind of a fleet that a member has to serve."""
    return [crd for crd in manifests() if crd["spec"]["names"]["kind"] == AppliedWork.resource.kind]


def _belonging(hub: End, wanted: Membership) -> Belonging:
    return Belonging(member=wanted.name, hub_url=wanted.hub_url, hub_id=hub.id)


def _changed(present: MemberCluster, member: End, wanted: Membership) -> MemberCluster:
    """A member that is there, with what is wanted of it; what others have put on it stays."""
    fresh = member_cluster(member, wanted)
    annotations = {key: value for key, value in present.metadata.annotations.items() if key != names.CONNECTION}
    metadata = msgspec.structs.replace(
        present.metadata,
        labels={**present.metadata.labels, **fresh.metadata.labels},
        annotations={**annotations, **fresh.metadata.annotations},
    )
    spec = msgspec.structs.replace(present.spec, identity=fresh.spec.identity)
    return msgspec.structs.replace(present, metadata=metadata, spec=spec)


async def _wait_until_ready(hub: End, name: str) -> None:
    """Wait until the hub has taken a member up. Raises Failed when it does not."""
    said = ""

    def ready(found: Object | None) -> bool:
        nonlocal said
        if found is None:
            raise Failed(f"the member {name!r} was deleted meanwhile")
        member = from_dict(MemberCluster, found)
        condition = find_condition(member.status.conditions, READY_TO_JOIN)
        if condition is None or condition.observed_generation != member.metadata.generation:
            return False
        said = condition.message
        return condition.status == "True"

    try:
        await until(hub.client, MEMBER, name, ready, Deadline.after(HUB_PATIENCE))
    except TimedOut:
        why = said or "do the hub's controllers run? See: echelon hub status"
        raise Failed(f"the hub has not taken the member up within {HUB_PATIENCE:g} s: {why}") from None


async def _token_for(hub: End, wanted: Membership) -> HubSecret:
    account = (wanted.namespace, names.AGENT_ACCOUNT)
    token = await hub.client.issue_token(account, seconds(wanted.token_life))
    return HubSecret(token, hub.connection.authority)


async def _keep_kubeconfig(hub: End, member: End, wanted: Membership) -> None:
    """Have the hub keep a kubeconfig for the member, with a token of the account there."""
    account = (installation.NAMESPACE, installation.ACCOUNT)
    token = await member.client.issue_token(account, seconds(wanted.token_life))
    entry = Entry(wanted.name, wanted.member_url, member.connection.authority, token=token)
    await _apply(hub, [secret_of(wanted.namespace, entry)])


async def _apply(end: End, objects: list[Object]) -> None:
    for obj in objects:
        await end.client.apply(obj)


async def _remove(end: End, chosen: Callable[[Object], bool] = lambda _: True) -> None:
    """Remove what a join puts on a member."""
    for obj in filter(chosen, installation.removal()):
        await delete(end, obj)


async def delete(end: End, obj: Object) -> None:
    """Delete an object, if it is there."""
    kind = Unstructured(await end.client.mapper.resource(obj["apiVersion"], obj["kind"]))
    metadata = obj["metadata"]
    await end.client.delete(kind, (metadata.get("namespace", ""), metadata["name"]), missing_ok=True)
