"""Whatever is sent, the answer is never an internal error."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from orjson import dumps, loads

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize

RBAC, AUTHENTICATION, AUTHORIZATION = "rbac.authorization.k8s.io", "authentication.k8s.io", "authorization.k8s.io"
KINDS = {
    f"/apis/{AUTHENTICATION}/v1/tokenreviews": (AUTHENTICATION, "TokenReview"),
    f"/apis/{AUTHENTICATION}/v1/selfsubjectreviews": (AUTHENTICATION, "SelfSubjectReview"),
    f"/apis/{AUTHORIZATION}/v1/subjectaccessreviews": (AUTHORIZATION, "SubjectAccessReview"),
    f"/apis/{AUTHORIZATION}/v1/selfsubjectaccessreviews": (AUTHORIZATION, "SelfSubjectAccessReview"),
    f"/apis/{AUTHORIZATION}/v1/selfsubjectrulesreviews": (AUTHORIZATION, "SelfSubjectRulesReview"),
    f"/apis/{AUTHORIZATION}/v1/namespaces/default/localsubjectaccessreviews": (
        AUTHORIZATION,
        "LocalSubjectAccessReview",
    ),
    "/api/v1/namespaces/default/serviceaccounts/robot/token": (AUTHENTICATION, "TokenRequest"),
    f"/apis/{RBAC}/v1/namespaces/default/roles": (RBAC, "Role"),
    f"/apis/{RBAC}/v1/namespaces/default/rolebindings": (RBAC, "RoleBinding"),
    f"/apis/{RBAC}/v1/clusterroles": (RBAC, "ClusterRole"),
    f"/apis/{RBAC}/v1/clusterrolebindings": (RBAC, "ClusterRoleBinding"),
}
FIELDS = [
    "token",
    "audiences",
    "expirationSeconds",
    "boundObjectRef",
    "kind",
    "apiVersion",
    "name",
    "uid",
    "namespace",
    "user",
    "groups",
    "extra",
    "resourceAttributes",
    "nonResourceAttributes",
    "verb",
    "group",
    "resource",
    "path",
    "fieldSelector",
    "rules",
    "verbs",
    "apiGroups",
    "resources",
    "resourceNames",
    "nonResourceURLs",
    "aggregationRule",
    "clusterRoleSelectors",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "subjects",
    "roleRef",
    "apiGroup",
]
LEAVES = st.sampled_from([None, True, 0, -1, 1 << 70, 1.5, "", "a", "*", "system:serviceaccount:", "Pod", "v1", "/"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
SPECS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[:13], VALUES))
BODIES = st.fixed_dictionaries(
    {"metadata": st.just({"name": "a"}) | VALUES},
    optional={
        "spec": SPECS | VALUES,
        "rules": st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), max_size=2) | VALUES,
        "roleRef": st.just({"kind": "ClusterRole", "name": "view", "apiGroup": RBAC}) | VALUES,
        "subjects": VALUES,
        "aggregationRule": VALUES,
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(["user", "group", "uid", "extra-", "extra-a%zz", "extra-a", "other"]),
    st.sampled_from(["", "eve", "system:serviceaccount:a:b", "system:masters", "ä", "%00"]),
    max_size=3,
)
REQUESTS = st.tuples(st.sampled_from(sorted(KINDS)), BODIES, st.sampled_from(["root", "eve"]), HEADERS)


def test_no_body_and_no_header_is_too_much() -> None:
    """One server for all requests, each answered with a code below 500 and, if refused, with a Status."""

    async def ask(server: ApiServer, path: str, body: bytes, token: str, headers: dict[str, str]) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        given = [(f"impersonate-{name}".encode(), value.encode()) for name, value in headers.items()]
        own = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": own + given}
        await server(scope, receive, send)
        return sent[0]["status"], loads(sent[1]["body"])

    async def start() -> ApiServer:
        database = Database.open(None, summarize=summarize)
        users = {"root": User("root", (MASTERS,)), "eve": User("eve")}
        server = ApiServer(database.keyspace("main"), authenticator=StaticTokens(users))
        await server.start()
        everything = {"apiGroups": [RBAC, AUTHENTICATION, AUTHORIZATION], "resources": ["*"], "verbs": ["create"]}
        tokens = {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token", "users"],
            "verbs": ["create", "impersonate"],
        }
        role = {"metadata": {"name": "most"}, "rules": [everything, tokens]}
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "most"}
        binding = {"metadata": {"name": "most"}, "roleRef": reference, "subjects": [{"kind": "User", "name": "eve"}]}
        made = {
            f"/apis/{RBAC}/v1/clusterroles": role,
            f"/apis/{RBAC}/v1/clusterrolebindings": binding,
            "/api/v1/namespaces/default/serviceaccounts": {"metadata": {"name": "robot"}},
        }
        for path, obj in made.items():
            assert (await ask(server, path, dumps(obj), "root", {}))[0] == 201
        return server

    with asyncio.Runner() as runner:
        server = runner.run(start())

        @given(REQUESTS)
        @settings(max_examples=500, deadline=None)
        def attempt(request: tuple[str, Any, str, dict[str, str]]) -> None:
            path, body, token, headers = request
            group, kind = KINDS[path]
            whole = json.dumps({"apiVersion": f"{group}/v1", "kind": kind, **body}).encode()
            status, answer = runner.run(ask(server, path, whole, token, headers))
            assert status < 500, answer
            assert status == 201 or answer["kind"] == "Status"

        attempt()
        runner.run(server.close())
