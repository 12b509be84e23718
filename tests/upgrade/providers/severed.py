"""A way to an API server that can be cut."""

from __future__ import annotations

from typing import Any

from echelon.kube.asgi import AsgiTransport
from echelon.kube.errors import Unreachable
from echelon.kube.transport import Response


class SeverableTransport(AsgiTransport):
    """Calls a server without a socket, until it is cut."""

    cut = False

    async def sever(self) -> None:
        self.cut = True

    async def request(self, method: str, path: str, **options: Any) -> Response:
        if self.cut:
            raise Unreachable("connection refused")
        return await super().request(method, path, **options)
