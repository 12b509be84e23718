"""Acting as somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from echelon.apiserver import StatusError
from echelon.apiserver.access.impersonation import impersonation

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def whoami(client: Any, **headers: str) -> Any:
    reply = await client.post(REVIEWS, REVIEW, headers={f"impersonate-{key}": value for key, value in headers.items()})
    return reply.json["status"]["userInfo"] if reply.status == 201 else reply.json["message"]


async def test_masters_may_be_anybody(api: Any) -> None:
    assert await whoami(api, user="eve") == {"username": "eve", "groups": ["system:authenticated"]}
    assert await whoami(api, user="eve", group="developers", uid="7", **{"extra-acme.com%2fscope": "view"}) == {
        "username": "eve",
        "uid": "7",
        "groups": ["developers", "system:authenticated"],
        "extra": {"acme.com/scope": ["view"]},
    }


async def test_groups_that_come_by_themselves(api: Any) -> None:
    account = await whoami(api, user="system:serviceaccount:team:robot")
    assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:team", "system:authenticated"]
    account = await whoami(api, user="system:serviceaccount:team:robot", group="only")
    assert account["groups"] == ["only", "system:authenticated"]
    anonymous = await api.get(CONFIGMAPS, headers={"impersonate-user": "system:anonymous"})
    assert anonymous.status == 403
    assert (await api.get("/version", headers={"impersonate-user": "system:anonymous"})).status == 200
    assert (await api.get("/api", headers={"impersonate-user": "system:anonymous"})).status == 403


async def test_the_request_is_the_other_users(api: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("list", "configmaps"), namespace="default")
    assert (await api.get(CONFIGMAPS, headers={"impersonate-user": "eve"})).status == 200
    assert (await api.get(CONFIGMAPS, headers={"impersonate-user": "adam"})).status == 403


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"user": "adam"}, None),
        (
            {"user": "other"},
            'users "other" is forbidden: User "{robot}" cannot impersonate resource "users" in API group ""',
        ),
        ({"user": "adam", "group": "developers"}, None),
        ({"user": "adam", "group": "system:masters"}, 'groups "system:masters" is forbidden'),
        ({"user": "adam", "uid": "7"}, 'uids.authentication.k8s.io "7" is forbidden'),
        ({"user": "adam", "extra-scope": "view"}, None),
        (
            {"user": "adam", "extra-scope": "edit"},
            'userextras.authentication.k8s.io "edit" is forbidden: User "{robot}" cannot impersonate resource '
            '"userextras/scope" in API group "authentication.k8s.io" at the cluster scope',
        ),
        ({"user": "system:serviceaccount:default:robot"}, None),
        (
            {"user": "system:serviceaccount:kube-system:robot"},
            'serviceaccounts "robot" is forbidden: User "{robot}" cannot impersonate resource "serviceaccounts" in API '
            'group "" in the namespace "kube-system"',
        ),
    ],
)
async def test_each_part_takes_the_right_to_it(
    accounts: Any, api: Any, rights: Any, headers: dict[str, str], refused: str | None
) -> None:
    rules = [
        rights.rule("impersonate", "users", resourceNames=["adam"]),
        rights.rule("impersonate", "groups", resourceNames=["developers"]),
        rights.rule("impersonate", "userextras/scope", "authentication.k8s.io", resourceNames=["view"]),
    ]
    robot = "ServiceAccount:default/robot"
    await rights.make(
        rights.role("act", *rules),
        rights.binding("act", "act", robot),
        rights.role("act", rights.rule("impersonate", "serviceaccounts"), namespace="default"),
        rights.binding("act", "act", robot, namespace="default", kind="Role"),
    )
    await accounts.make("robot")
    answer = await whoami(type(api)(api.app, token=await accounts.token("robot")), **headers)
    if refused is None:
        assert answer["username"] == headers["user"]
    else:
        assert answer.startswith(refused.replace("{robot}", "system:serviceaccount:default:robot"))


async def test_others_than_a_user_make_no_sense_alone(api: Any) -> None:
    for header in ("group", "uid", "extra-scope"):
        reply = await api.get("/version", headers={f"impersonate-{header}": "x"})
        assert (reply.status, reply.json["reason"]) == (400, "BadRequest")


def test_several_values() -> None:
    headers = [
        (b"impersonate-group", b"a"),
        (b"impersonate-user", b"eve"),
        (b"impersonate-group", b"b"),
        (b"impersonate-extra-Scope", b"x"),
        (b"impersonate-extra-scope", "ä".encode()),
    ]
    wanted = impersonation(headers)
    assert wanted is not None
    assert wanted.user.groups == ("a", "b", "system:authenticated")
    assert wanted.user.extra == {"scope": ["x", "ä"]}
    asked = [(needed.resource, needed.subresource, needed.name) for needed in wanted.needed]
    assert asked == [
        ("users", "", "eve"),
        ("groups", "", "a"),
        ("groups", "", "b"),
        ("userextras", "scope", "x"),
        ("userextras", "scope", "ä"),
    ]


def test_nothing_asked_for() -> None:
    assert impersonation([(b"accept", b"x")]) is None
    assert impersonation([(b"impersonate-user", b"")]) is None
    with pytest.raises(StatusError):
        impersonation([(b"impersonate-user", b""), (b"impersonate-group", b"a")])
