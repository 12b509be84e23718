"""A hub of its own in a process, and the official client for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.mgmt.containerservicefleet import ContainerServiceFleetMgmtClient

from ..processes import HubProcess

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
FLEET_FILE = Path(__file__).parents[2] / "examples" / "update-run-fleet.yaml"


class Token:
    """A credential that is a token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 3600)


@pytest.fixture(scope="package")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """The hub of the update run tutorial; its own fleet is ``fleet`` in the group ``demo``."""
    hub = HubProcess(tmp_path_factory.mktemp("arm") / "data", "--fleet", str(FLEET_FILE))
    hub.start()
    try:
        yield hub
    finally:
        hub.close()


@pytest.fixture(scope="package")
def connect(hub: HubProcess) -> Iterator[Callable[..., ContainerServiceFleetMgmtClient]]:
    """Makes clients: of the administrator, or with another token or api-version."""
    clients = []

    def made(token: str = "", **options: str) -> ContainerServiceFleetMgmtClient:
        base = f"https://127.0.0.1:{hub.port}"
        client = ContainerServiceFleetMgmtClient(
            Token(token or (hub.data / "admin-token").read_text()),
            options.pop("subscription", SUBSCRIPTION),
            base_url=base,
            credential_scopes=[f"{base}/.default"],
            connection_verify=str(hub.data / "pki" / "ca.crt"),
            retry_total=0,
            **options,
        )
        clients.append(client)
        return client

    yield made
    for client in clients:
        client.close()


@pytest.fixture(scope="package")
def azure(connect: Callable[..., ContainerServiceFleetMgmtClient]) -> ContainerServiceFleetMgmtClient:
    """The official client, as the administrator."""
    return connect()
