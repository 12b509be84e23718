"""Questions about access."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from echelon.apiserver import AllowAll, ApiServer, Database, StaticTokens, User, summarize

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
ISSUER = "https://kubernetes.default.svc.cluster.local"
PODS = {"verb": "list", "resource": "pods", "namespace": "default"}

Review = Callable[..., Awaitable[Any]]


@pytest.fixture
def review(api: Any) -> Review:
    """Asks a question; the reply."""

    async def send(kind: str, *, by: Any = None, namespace: str = "", **spec: Any) -> Any:
        group = AUTHORIZATION if "Access" in kind or "Rules" in kind else AUTHENTICATION
        scope = f"namespaces/{namespace}/" if namespace else ""
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": spec}
        return await (by or api).post(f"/apis/{group}/v1/{scope}{kind.lower()}s", body)

    return send


async def test_may_i(review: Review, person: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("list", "pods"), namespace="default")
    eve = person("eve")
    yes = (await review("SelfSubjectAccessReview", by=eve, resourceAttributes=PODS)).json
    assert yes["spec"] == {"resourceAttributes": PODS}
    reason = 'RBAC: allowed by RoleBinding "given-to-eve/default" of Role "given-to-eve" to User "eve"'
    assert yes["status"] == {"allowed": True, "reason": reason}
    no = await review("SelfSubjectAccessReview", by=eve, resourceAttributes=PODS | {"verb": "delete"})
    assert no.json["status"] == {"allowed": False}
    path = await review("SelfSubjectAccessReview", by=eve, nonResourceAttributes={"path": "/api", "verb": "get"})
    assert path.json["status"]["allowed"]


async def test_may_they(review: Review, person: Any, rights: Any) -> None:
    await rights.make(rights.binding("team", "view", "Group:developers", namespace="default"))
    asked = {"resourceAttributes": PODS}
    assert (await review("SubjectAccessReview", user="eve", **asked)).json["status"] == {"allowed": False}
    assert (await review("SubjectAccessReview", groups=["developers"], **asked)).json["status"]["allowed"]
    refused = await review("SubjectAccessReview", by=person("eve"), user="eve", **asked)
    assert refused.status == 403
    await rights.make(rights.binding("ask", "system:auth-delegator", "User:eve"))
    assert (await review("SubjectAccessReview", by=person("eve"), user="adam", **asked)).status == 201


async def test_may_they_here(review: Review, person: Any, rights: Any) -> None:
    await rights.make(
        rights.binding("team", "view", "User:adam", namespace="default"),
        rights.binding("ask", "admin", "User:eve", namespace="default"),
    )
    eve = person("eve")
    asked = {"by": eve, "namespace": "default", "user": "adam"}
    answer = await review("LocalSubjectAccessReview", **asked, resourceAttributes=PODS)
    assert answer.json["status"]["allowed"]
    elsewhere = await review("LocalSubjectAccessReview", **asked, resourceAttributes=PODS | {"namespace": "other"})
    assert 'spec.resourceAttributes.namespace: Invalid value: "other": must match' in elsewhere.json["message"]
    path = await review("LocalSubjectAccessReview", **asked, nonResourceAttributes={"path": "/", "verb": "get"})
    assert path.status == 422


@pytest.mark.parametrize(
    ("kind", "spec", "said"),
    [
        ("SelfSubjectAccessReview", {}, "exactly one of nonResourceAttributes or resourceAttributes must be specified"),
        (
            "SelfSubjectAccessReview",
            {"resourceAttributes": PODS, "nonResourceAttributes": {"path": "/"}},
            "cannot be specified in combination with resourceAttributes",
        ),
        ("SubjectAccessReview", {"resourceAttributes": PODS}, "at least one of user or group must be specified"),
    ],
)
async def test_questions_that_are_none(review: Review, kind: str, spec: Any, said: str) -> None:
    reply = await review(kind, **spec)
    assert reply.status == 422
    assert said in reply.json["message"]


async def test_all_that_i_may(review: Review, person: Any, rights: Any) -> None:
    await rights.give("eve", rights.rule("get", "secrets", resourceNames=["only"]), namespace="default")
    await rights.make(rights.binding("gone", "nothing", "User:eve"))
    status = (await review("SelfSubjectRulesReview", by=person("eve"), namespace="")).json
    assert status["message"] == "no namespace on request"
    eve = person("eve")
    body = {"apiVersion": f"{AUTHORIZATION}/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    answer = (await eve.post(f"/apis/{AUTHORIZATION}/v1/selfsubjectrulesreviews", body)).json["status"]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["only"]} in (
        answer["resourceRules"]
    )
    assert any("/openapi" in rule["nonResourceURLs"] for rule in answer["nonResourceRules"])
    assert answer["evaluationError"] == 'clusterrole.rbac.authorization.k8s.io "nothing" not found'
    assert answer["incomplete"] is False


async def test_who_am_i(review: Review, person: Any, anonymous: Any) -> None:
    answer = await review("SelfSubjectReview", by=person("eve", "developers"))
    assert answer.json["status"]["userInfo"]["groups"] == ["developers", "system:authenticated"]
    assert (await review("SelfSubjectReview", by=anonymous)).status == 403


async def test_whose_token(review: Review, accounts: Any) -> None:
    await accounts.make("robot")
    token = await accounts.token("robot")
    status = (await review("TokenReview", token=token)).json["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    assert status["audiences"] == [ISSUER]
    wrong = (await review("TokenReview", token="rubbish")).json["status"]
    assert "authenticated" not in wrong
    assert wrong["error"]
    assert (await review("TokenReview")).status in (400, 422)


async def test_whom_a_token_is_for(review: Review, accounts: Any) -> None:
    await accounts.make("robot")
    token = await accounts.token("robot", audiences=["vault", "bank"])
    assert "authenticated" not in (await review("TokenReview", token=token)).json["status"]
    status = (await review("TokenReview", token=token, audiences=["bank", "shop"])).json["status"]
    assert (status["authenticated"], status["audiences"]) == (True, ["bank"])


async def test_a_token_of_the_embedder(review: Review) -> None:
    status = (await review("TokenReview", token="secret")).json["status"]
    assert status["user"]["username"] == "admin"
    elsewhere = (await review("TokenReview", token="secret", audiences=["vault"])).json["status"]
    assert "authenticated" not in elsewhere


async def test_with_another_authorizer(api: Any) -> None:
    database = Database.open(None, summarize=summarize)
    authenticator = StaticTokens({"t": User("eve")})
    server = ApiServer(database.keyspace("main"), authenticator=authenticator, authorizer=AllowAll())
    client = type(api)(server, token="t")
    body = {"apiVersion": f"{AUTHORIZATION}/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "default"}}
    answer = (await client.post(f"/apis/{AUTHORIZATION}/v1/selfsubjectrulesreviews", body)).json["status"]
    assert answer["incomplete"] is True
    await database.close()
