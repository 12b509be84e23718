"""A server over TLS and each kubectl of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize

from .runner import Kubectl, installed, server_context

TOKEN = "secret"
KUBECTLS = installed()


@pytest.fixture(params=KUBECTLS or [pytest.param("", marks=pytest.mark.skip(reason="no kubectl of 1.30 or newer"))])
async def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kubectl]:
    database = Database.open(None, summarize=summarize)
    authenticator = StaticTokens({TOKEN: User("admin", (MASTERS,))})
    server = ApiServer(database.keyspace("main"), authenticator=authenticator)
    await server.start()
    http = await serve(server, tls=server_context(tmp_path), before_stop=server.end_streams)
    yield Kubectl(KUBECTLS[request.param], tmp_path, http.port, TOKEN)
    await http.stop()
    await server.close()
    await database.close()
