"""The face without a client library: one request, one answer."""

from __future__ import annotations

from typing import Any

import requests

from ..processes import HubProcess
from .conftest import SUBSCRIPTION

VERSION = "2026-06-02-preview"
NEWEST_STABLE = "2026-06-01"
FLEET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/demo/providers/Microsoft.ContainerService/fleets/fleet"


class Wire:
    """Somebody who asks, by a token."""

    def __init__(self, hub: HubProcess, token: str) -> None:
        self.base = f"https://127.0.0.1:{hub.port}"
        self._session = requests.Session()
        self._session.verify = str(hub.data / "pki" / "ca.crt")
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str | None = VERSION,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        **query: str,
    ) -> requests.Response:
        """Ask; ``path`` is below the fleet unless it begins with a slash, and may be a whole address."""
        address = path if path.startswith("https:") else self.base + (path if path[:1] == "/" else f"{FLEET}/{path}")
        asked = dict(query) if version is None else {"api-version": version, **query}
        return self._session.request(
            method, address.rstrip("/"), params=asked, json=body, data=data, headers=headers, timeout=30
        )

    def close(self) -> None:
        self._session.close()


def refused(answer: requests.Response, status: int, code: str, target: str | None = None) -> str:
    """Check that an answer is a refusal in ARM's form; its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/json")
    error = answer.json()["error"]
    assert set(error) <= {"code", "message", "target", "details"}
    assert error["code"] == code
    if target is not None:
        assert error.get("target") == target, error
    message: str = error["message"]
    assert message
    return message
