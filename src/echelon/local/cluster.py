"""One embedded cluster: an API server over a keyspace of the hub's database.

Its clients in this process call it without a socket; everybody else comes over TLS, through
``mount.Mounts``. Both show a token.
"""

from __future__ import annotations

from echelon.apiserver import MASTERS, AccessOptions, ApiServer, AuditLog, Database, User
from echelon.apiserver.metadata import Summary
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client
from echelon.kube.rest import BeforeWrite
from echelon.local.naming import FleetNames
from echelon.local.simulation import served_version
from echelon.local.tokens import Tokens, context_token

_OWN = FleetNames()

ADMINISTRATOR = "echelon-admin"
"""As whom the holder of the token in the data folder is known."""


class EmbeddedCluster:
    """A cluster by name. Start it before its first request, close it before the database.

    ``served_as`` is the last part of its address.
    """

    def __init__(
        self,
        name: str,
        database: Database[Summary],
        *,
        admin_token: str,
        names: FleetNames = _OWN,
        access: AccessOptions | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        self.name = name
        self.served_as = names.served_as(name)
        self._tokens = Tokens()
        for token in (admin_token, context_token(self.served_as, admin_token)):
            self._tokens.accept(token, User(ADMINISTRATOR, groups=(MASTERS,)))
        self._clients: dict[Client, str] = {}
        keyspace = database.keyspace(names.keyspace(name))
        self.server = ApiServer(
            keyspace,
            authenticator=self._tokens,
            access=access,
            audit=audit,
            git_version=served_version(keyspace),
        )

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        for client in list(self._clients):
            await self.release(client)
        await self.server.close()

    def administrator(self, name: str) -> Client:
        """A client in this process that may do everything."""
        return self.client(User(f"system:{name}", (MASTERS,)), field_manager=name)

    def client(self, user: User, *, field_manager: str = "echelon", before_write: BeforeWrite | None = None) -> Client:
        """A client in this process. Its token is known to nobody else and ends with the client (``release``)."""
        token = self._tokens.issue(user)
        transport = AsgiTransport(self.server, headers={"Authorization": f"Bearer {token}"})
        client = Client(transport, field_manager=field_manager, before_write=before_write)
        self._clients[client] = token
        return client

    async def release(self, client: Client) -> None:
        """Close a client; its token is good no more."""
        self._tokens.revoke(self._clients.pop(client))
        await client.close()
