"""Identities and decisions."""

from __future__ import annotations

import pytest

from echelon.apiserver.authentication import (
    ANONYMOUS_USER,
    AUTHENTICATED,
    MASTERS,
    AllowAll,
    Attributes,
    Credentials,
    FirstOf,
    MastersOnly,
    StaticTokens,
    User,
    refusal,
)

JANE = User("jane", ("team",), "u1", {"scopes": ["a"]})
TOKENS = StaticTokens({"t1": JANE})


async def test_known_tokens() -> None:
    user = await TOKENS.authenticate(Credentials("t1"))
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("team", AUTHENTICATED))
    assert await TOKENS.authenticate(Credentials("t2")) is None
    assert await TOKENS.authenticate(Credentials()) is None


async def test_the_first_that_knows_decides() -> None:
    both = FirstOf([StaticTokens({"t1": User("other")}), TOKENS])
    user = await both.authenticate(Credentials("t1"))
    assert user is not None
    assert user.name == "other"
    assert await both.authenticate(Credentials("t9")) is None


def test_user_info() -> None:
    assert JANE.info() == {"username": "jane", "uid": "u1", "groups": ["team"], "extra": {"scopes": ["a"]}}
    assert User("x").info() == {"username": "x"}


READ = Attributes("list", "", "v1", "configmaps", namespace="default")


@pytest.mark.parametrize(
    ("user", "attributes", "allowed"),
    [
        (User("root", (MASTERS,)), READ, True),
        (JANE, READ, False),
        (ANONYMOUS_USER, Attributes("get", path="/version"), True),
        (ANONYMOUS_USER, Attributes("get", path="/livez/ping"), True),
        (ANONYMOUS_USER, Attributes("get", path="/apis"), False),
        (ANONYMOUS_USER, Attributes("post", path="/version"), False),
        (User("jane", (AUTHENTICATED,)), Attributes("get", path="/apis/apps"), True),
        (User("jane", (AUTHENTICATED,)), Attributes("get", path="/openapi/v3"), True),
        (User("jane", (AUTHENTICATED,)), Attributes("get", path="/metrics"), False),
    ],
)
def test_masters_only(user: User, attributes: Attributes, allowed: bool) -> None:
    assert MastersOnly().decide(user, attributes).allowed is allowed
    assert AllowAll().decide(user, attributes).allowed


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (READ, 'User "jane" cannot list resource "configmaps" in API group "" in the namespace "default"'),
        (
            Attributes("patch", "apps", "v1", "deployments", "scale", name="d"),
            'User "jane" cannot patch resource "deployments/scale" in API group "apps" at the cluster scope',
        ),
        (Attributes("get", path="/metrics"), 'User "jane" cannot get path "/metrics"'),
    ],
)
def test_refusals(attributes: Attributes, words: str) -> None:
    assert refusal(JANE, attributes) == words
