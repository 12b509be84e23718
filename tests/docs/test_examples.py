"""The manifests of examples/ are those of the tutorial, and a hub takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from echelon.api.crds import manifests
from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, summarize
from echelon.kube import crds
from echelon.kube.asgi import AsgiTransport
from echelon.kube.client import Client

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


@pytest.mark.parametrize(
    "file", [f for f in FILES if "kind" in documents(f)[0] and "apiVersion" in documents(f)[0]], ids=str
)
async def test_a_hub_takes_it(file: Path) -> None:
    database = Database.open(None, summarize=summarize)
    tokens = StaticTokens({"admin": User("admin", groups=(MASTERS,))})
    server = ApiServer(database.keyspace("hub"), authenticator=tokens)
    await server.start()
    client = Client(AsgiTransport(server, headers={"Authorization": "Bearer admin"}))
    try:
        await crds.install(client, manifests())
        for document in documents(file):
            if namespace := document["metadata"].get("namespace"):
                await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            created = await client.create(document)
            part = "spec" if "spec" in document else "data"
            assert created[part] == document[part] | created[part]
    finally:
        await client.close()
        await server.close()
        await database.close()


def test_the_getting_started_page_names_files_that_are_there() -> None:
    page = (EXAMPLES.parent / "docs" / "getting-started.md").read_text()
    for word in page.replace("`", " ").split():
        if word.startswith("examples/"):
            assert (EXAMPLES.parent / word).exists(), word


@pytest.mark.parametrize("name", ["override.yaml", "envelope.yaml"])
def test_the_page_on_overrides_shows_the_examples(name: str) -> None:
    page = (EXAMPLES.parent / "docs" / "overrides.md").read_text()
    shown = [yaml.safe_load(block.split("```")[0]) for block in page.split("```yaml\n")[1:]]
    assert f"`examples/{name}`" in page
    assert documents(EXAMPLES / name)[0] in shown
