from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from echelon.apiserver.storage import Bucket, Database, Record

Open = Callable[..., Database[int]]


@pytest.fixture
async def open_database(tmp_path: Path) -> AsyncIterator[Open]:
    """Open a database, by default the file of this test, and close it in the end."""
    opened: list[Database[int]] = []

    def open_one(path: Path | None = tmp_path / "store.db", **options: Any) -> Database[int]:
        opened.append(Database.open(path, summarize=len, **options))
        return opened[-1]

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture(params=["file", "memory"])
def bucket(request: pytest.FixtureRequest, open_database: Open) -> Bucket[int]:
    """A bucket in a file, and one in memory only."""
    database = open_database() if request.param == "file" else open_database(None)
    return database.keyspace("hub").bucket("apps/deployments")


@pytest.fixture
def put() -> Callable[..., Awaitable[Record[int]]]:
    """Write a record over its newest state; by default its value tells its revision."""

    async def put(
        bucket: Bucket[int], name: str, value: bytes | None = None, namespace: str = "default"
    ) -> Record[int]:
        latest = bucket.latest(namespace, name)
        return await bucket.put(
            namespace,
            name,
            lambda revision: f"{name}@{revision}".encode() if value is None else value,
            expected=latest.revision if latest else 0,
        )

    return put


@pytest.fixture
def delete() -> Callable[..., Awaitable[Record[int]]]:
    """Delete a record at its newest state."""

    async def delete(bucket: Bucket[int], name: str, namespace: str = "default") -> Record[int]:
        latest = bucket.latest(namespace, name)
        assert latest is not None
        return await bucket.delete(
            namespace, name, lambda revision: f"{name} gone@{revision}".encode(), expected=latest.revision
        )

    return delete
