"""One port for many clusters."""

from __future__ import annotations

from typing import Any

from echelon.local.mount import Mounts
from echelon.local.tokens import context_token


class Cluster:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append((scope["root_path"], scope["path"]))


async def ask(mounts: Mounts, path: str, token: str = "") -> list[Any]:
    """The messages of an answer by the mount itself."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    await mounts({"type": "http", "path": path, "root_path": "", "headers": headers}, receive, send)
    return sent


async def test_a_path_or_a_token_leads_to_a_cluster() -> None:
    mounts, hub, member = Mounts(), Cluster(), Cluster()
    mounts.add("hub", hub)
    mounts.add("member1", member)
    assert mounts.names() == ["hub", "member1"]
    await ask(mounts, "/clusters/hub/api")
    await ask(mounts, "/version", context_token("member1", "t"))
    assert hub.seen == [("/clusters/hub", "/clusters/hub/api")]
    assert member.seen == [("", "/version")]
    mounts.remove("member1")
    assert (await ask(mounts, "/version", context_token("member1", "t")))[0]["status"] == 404


async def test_strangers_are_not_told_which_clusters_there_are() -> None:
    mounts = Mounts()
    mounts.add("secret-member", Cluster())
    for path in ("/", "/version", "/clusters/", "/clusters/other/api", "/clusters/secret", "/clustersx"):
        start, body = await ask(mounts, path)
        assert start["status"] == 404
        assert b"secret" not in body["body"]
