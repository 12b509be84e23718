"""Reviews and subresources answered by functions."""

from __future__ import annotations

from typing import Any

from echelon.apiserver import ActionRequest, StatusError

REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TOKENS = "/api/v1/namespaces/default/serviceaccounts/robot/token"


async def who(request: ActionRequest) -> dict[str, Any]:
    return {**request.body, "status": {"userInfo": request.user.info()}}


async def test_a_review(api: Any, server: Any) -> None:
    server.connect("authentication.k8s.io", "selfsubjectreviews", "", who)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    reply = await api.post(REVIEWS, review)
    assert reply.status == 201
    assert reply.json["status"]["userInfo"]["username"] == "admin"
    assert (await api.get(REVIEWS)).status == 405


async def test_a_subresource(api: Any, server: Any) -> None:
    seen: list[ActionRequest] = []

    async def issue(request: ActionRequest) -> dict[str, Any]:
        seen.append(request)
        return {**request.body, "status": {"token": "t"}}

    server.connect("", "serviceaccounts", "token", issue)
    reply = await api.post(TOKENS, {"kind": "TokenRequest", "spec": {}})
    assert reply.json["status"] == {"token": "t"}
    assert (seen[0].namespace, seen[0].name) == ("default", "robot")
    resources = (await api.get("/api/v1")).json["resources"]
    assert "serviceaccounts/token" in [resource["name"] for resource in resources]


async def test_an_action_may_refuse(api: Any, server: Any) -> None:
    async def refuse(request: ActionRequest) -> dict[str, Any]:
        raise StatusError(403, "Forbidden", "no")

    server.connect("", "serviceaccounts", "token", refuse)
    assert (await api.post(TOKENS, {})).status == 403


async def test_what_is_not_connected_is_not_there(api: Any) -> None:
    assert (await api.post(f"{TOKENS}s", {})).json["message"] == "the server could not find the requested resource"
