"""Tokens of service accounts: what they claim, how long they are good, and what ends them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from echelon.apiserver import ApiServer, Database, summarize
from echelon.apiserver.access.accounts import service_account_of

ISSUER = "https://kubernetes.default.svc.cluster.local"
TOKENS = "/api/v1/namespaces/default/serviceaccounts/robot/token"


def claims_of(token: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


async def create_pod(api: Any, name: str, account: str = "robot", node: str = "") -> Any:
    spec = {"containers": [{"name": "c", "image": "i"}], "serviceAccountName": account}
    if node:
        spec["nodeName"] = node
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    reply = await api.post("/api/v1/namespaces/default/pods", pod)
    assert reply.status == 201, reply
    return reply.json


async def create_secret(api: Any, name: str, **fields: Any) -> Any:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}} | fields
    reply = await api.post("/api/v1/namespaces/default/secrets", secret)
    assert reply.status == 201, reply
    return reply.json


async def test_what_a_token_claims(accounts: Any, clock: Any) -> None:
    account = await accounts.make("robot")
    reply = await accounts.ask("robot")
    assert reply.json["status"]["expirationTimestamp"] == "2026-01-31T09:00:00Z"
    assert reply.json["spec"] == {"audiences": [ISSUER], "expirationSeconds": 3600}
    claims = claims_of(reply.json["status"]["token"])
    now = int(clock.now().timestamp())
    assert claims.pop("jti")
    assert claims == {
        "aud": [ISSUER],
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "iss": ISSUER,
        "sub": "system:serviceaccount:default:robot",
        "kubernetes.io": {
            "namespace": "default",
            "serviceaccount": {"name": "robot", "uid": account["metadata"]["uid"]},
        },
    }


async def test_whose_token_it_is(accounts: Any) -> None:
    account = await accounts.make("robot")
    token = await accounts.token("robot")
    user = await accounts.whoami(token)
    assert user == {
        "username": "system:serviceaccount:default:robot",
        "uid": account["metadata"]["uid"],
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": [f"JTI={claims_of(token)['jti']}"]},
    }


async def test_a_token_expires(accounts: Any, clock: Any) -> None:
    await accounts.make("robot")
    token = await accounts.token("robot", expirationSeconds=600)
    clock.forward(seconds=599)
    assert await accounts.whoami(token)
    clock.forward(seconds=1)
    assert await accounts.whoami(token) is None


async def test_a_token_ends_with_its_account(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    token = await accounts.token("robot")
    assert await accounts.whoami(token)
    await api.delete("/api/v1/namespaces/default/serviceaccounts/robot")
    assert await accounts.whoami(token) is None
    await accounts.make("robot")  # another one of the same name
    assert await accounts.whoami(token) is None
    assert await accounts.whoami(await accounts.token("robot"))


async def test_a_token_for_others_is_not_good_here(accounts: Any) -> None:
    await accounts.make("robot")
    assert await accounts.whoami(await accounts.token("robot", audiences=["vault"])) is None
    assert await accounts.whoami(await accounts.token("robot", audiences=["vault", ISSUER]))


async def test_a_token_of_another_server_is_not_good_here(accounts: Any, clock: Any) -> None:
    database = Database.open(None, summarize=summarize)
    server = ApiServer(database.keyspace("other"), clock=clock)
    await accounts.make("robot")
    token = await accounts.token("robot")
    other = type(accounts._api)(server, token=token)
    assert (await other.get("/version")).status == 401
    await database.close()


@pytest.mark.parametrize("kind", ["Pod", "Secret"])
async def test_a_token_ends_with_what_it_is_bound_to(accounts: Any, api: Any, kind: str) -> None:
    await accounts.make("robot")
    bound = await (create_pod(api, "x") if kind == "Pod" else create_secret(api, "x"))
    reference = {"apiVersion": "v1", "kind": kind, "name": "x", "uid": bound["metadata"]["uid"]}
    token = await accounts.token("robot", boundObjectRef=reference)
    assert claims_of(token)["kubernetes.io"][kind.lower()] == {"name": "x", "uid": bound["metadata"]["uid"]}
    user = await accounts.whoami(token)
    assert ("authentication.kubernetes.io/pod-name" in user["extra"]) == (kind == "Pod")
    await api.delete(f"/api/v1/namespaces/default/{kind.lower()}s/x")
    assert await accounts.whoami(token) is None


async def test_a_pod_keeps_its_token_through_its_grace_period(accounts: Any, api: Any, clock: Any) -> None:
    await accounts.make("robot")
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    await api.post("/api/v1/nodes", node)
    await create_pod(api, "x", node="n")
    token = await accounts.token("robot", boundObjectRef={"apiVersion": "v1", "kind": "Pod", "name": "x"})
    await api.delete("/api/v1/namespaces/default/pods/x")
    user = await accounts.whoami(token)
    assert user["extra"]["authentication.kubernetes.io/node-name"] == ["n"]
    clock.forward(seconds=31)
    assert await accounts.whoami(token) is None


async def test_a_token_bound_to_a_node(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    await api.post("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    token = await accounts.token("robot", boundObjectRef={"apiVersion": "v1", "kind": "Node", "name": "n"})
    assert await accounts.whoami(token)
    await api.delete("/api/v1/nodes/n")
    assert await accounts.whoami(token) is None


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        (
            {"expirationSeconds": 599},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: '
            "may not specify a duration less than 10 minutes",
        ),
        ({"expirationSeconds": (1 << 32) + 1}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"expirationSeconds": "soon"}, 400, "TokenRequest"),
        ({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}}, 404, 'pods "none" not found'),
        (
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "other"}},
            400,
            'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
        ),
        (
            {"boundObjectRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}},
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
        ),
        (
            {"boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "held", "uid": "else"}},
            409,
            "the UID in the bound object reference (else) does not match the UID in record",
        ),
    ],
)
async def test_requests_that_are_refused(accounts: Any, api: Any, spec: Any, code: int, said: str) -> None:
    await accounts.make("robot")
    await create_pod(api, "other", account="default")
    await create_secret(api, "held")
    reply = await accounts.ask("robot", **spec)
    assert reply.status == code
    assert said in reply.json["message"]


async def test_no_account_no_token(accounts: Any) -> None:
    reply = await accounts.ask("nobody")
    assert (reply.status, reply.json["message"]) == (404, 'serviceaccounts "nobody" not found')


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Pod"},
        {"metadata": 3},
        {"metadata": {"name": ["x"]}},
        {"spec": "x"},
        {"spec": {"audiences": [1]}},
        {"spec": {"boundObjectRef": []}},
    ],
)
async def test_bodies_that_are_no_token_request(accounts: Any, api: Any, body: Any) -> None:
    await accounts.make("robot")
    assert (await api.post(TOKENS, body)).status == 400


async def test_a_request_for_another_account_is_refused(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    reply = await api.post(TOKENS, {"metadata": {"name": "else"}})
    assert reply.status == 422
    assert (
        'metadata.name: Invalid value: "else": must match the service account name if specified'
        in reply.json["message"]
    )


async def test_an_empty_body_asks_for_the_usual(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    reply = await api.post(TOKENS, b"")
    assert reply.status == 201
    assert reply.json["spec"]["expirationSeconds"] == 3600


async def test_documents_for_those_who_verify(accounts: Any) -> None:
    await accounts.make("robot")
    client = type(accounts._api)(accounts._api.app, token=await accounts.token("robot"))
    configuration = await client.get("/.well-known/openid-configuration")
    assert configuration.json["issuer"] == ISSUER
    assert configuration.json["jwks_uri"] == f"{ISSUER}/openid/v1/jwks"
    keys = await client.get("/openid/v1/jwks")
    assert keys.header("content-type") == ["application/jwk-set+json"]
    assert keys.json["keys"][0]["alg"] == "ES256"
    anonymous = type(accounts._api)(accounts._api.app, token=None)
    assert (await anonymous.get("/openid/v1/jwks")).status == 403


async def test_discovery_tells_of_token_requests(api: Any) -> None:
    (found,) = (r for r in (await api.get("/api/v1")).json["resources"] if r["name"] == "serviceaccounts/token")
    assert (found["group"], found["version"], found["kind"]) == ("authentication.k8s.io", "v1", "TokenRequest")


# Secrets that hold tokens

SECRETS = "/api/v1/namespaces/default/secrets"


async def token_secret(api: Any, account: str = "robot") -> Any:
    """A secret for an account's token, once it is filled."""
    metadata = {"name": "held", "annotations": {"kubernetes.io/service-account.name": account}}
    await create_secret(api, "held", metadata=metadata, type="kubernetes.io/service-account-token")
    return await api.until(SECRETS, "held", lambda secret: "token" in secret.get("data", {}))


async def test_a_secret_is_given_a_token_that_does_not_expire(accounts: Any, api: Any, clock: Any) -> None:
    account = await accounts.make("robot")
    secret = await token_secret(api)
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == account["metadata"]["uid"]
    assert base64.b64decode(secret["data"]["namespace"]) == b"default"
    token = base64.b64decode(secret["data"]["token"]).decode()
    clock.forward(days=4000)
    assert (await accounts.whoami(token))["username"] == "system:serviceaccount:default:robot"


async def test_such_a_token_ends_with_its_secret(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    token = base64.b64decode((await token_secret(api))["data"]["token"]).decode()
    await api.delete(f"{SECRETS}/held")
    assert await accounts.whoami(token) is None


async def test_a_secret_goes_with_its_account(accounts: Any, api: Any) -> None:
    await accounts.make("robot")
    token = base64.b64decode((await token_secret(api))["data"]["token"]).decode()
    await api.delete("/api/v1/namespaces/default/serviceaccounts/robot")
    assert await accounts.whoami(token) is None
    await api.until_gone(SECRETS, "held")


async def test_a_secret_for_nobody_goes(api: Any) -> None:
    metadata = {"name": "held", "annotations": {"kubernetes.io/service-account.name": "nobody"}}
    await create_secret(api, "held", metadata=metadata, type="kubernetes.io/service-account-token")
    await api.until_gone(SECRETS, "held")


@pytest.mark.parametrize(
    ("username", "account"),
    [
        ("system:serviceaccount:a:b", ("a", "b")),
        ("system:serviceaccount:a", None),
        ("system:serviceaccount:a:", None),
        ("system:serviceaccount:a:b:c", None),
        ("eve", None),
    ],
)
def test_names_of_accounts(username: str, account: Any) -> None:
    assert service_account_of(username) == account
