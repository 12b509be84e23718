"""One embedded cluster: an API server over a keyspace of the hub's database.

Its clients in this process call it without a socket; everybody else comes over TLS, through
``mount.Mounts``. Both show a token.
"""

from __future__ import annotations

from echelon.apiserver import MASTERS, ApiServer, Database, User
from echelon.apiserver.metadata import Summary
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.rest import BeforeWrite
from echelon.local.tokens import Tokens

HUB = "hub"


class EmbeddedCluster:
    """A cluster by name. Start it before its first request, close it before the database."""

    def __init__(
        self,
        name: str,
        database: Database[Summary],
        *,
        admin_token: str,
        git_version: str = "v1.33.0",
    ) -> None:
        self.name = name
        self._tokens = Tokens()
        self._tokens.accept(admin_token, User("echelon-admin", groups=(MASTERS,)))
        self._clients: list[Client] = []
        self.server = ApiServer(
            database.keyspace(name),
            authenticator=self._tokens,
            git_version=git_version,
        )

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.server.close()

    def client(self, user: str, *, field_manager: str = "echelon", before_write: BeforeWrite | None = None) -> Client:
        """A client in this process. Its token is known to nobody else and ends with the process."""
        token = self._tokens.issue(User(user, groups=(MASTERS,)))
        transport = AsgiTransport(self.server, headers={"Authorization": f"Bearer {token}"})
        client = Client(transport, field_manager=field_manager, before_write=before_write)
        self._clients.append(client)
        return client
