"""Backup and restore, as functions and as commands, beside a running hub."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from echelon.apiserver import Database, summarize
from echelon.cli.main import main
from echelon.local.backup import BackupError, back_up, bring_back


async def put(database: Database[Any], name: str) -> None:
    def encode(revision: int) -> bytes:
        metadata = {"name": name, "resourceVersion": str(revision)}
        return orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    await database.keyspace("hub").bucket("/configmaps").put("default", name, encode, expected=0)


def names(database: Database[Any]) -> list[str]:
    return [record.key.name for record in database.keyspace("hub").bucket("/configmaps").list()]


def opened(data: Path) -> Database[Any]:
    return Database.open(data / "echelon.db", summarize=summarize)


def call(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words])


async def test_a_round_trip_beside_a_running_hub(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "backup"
    database = opened(data)
    await put(database, "before")
    done = call("hub", "backup", file, "--data", data)
    assert (done.exit_code, done.output) == (0, f"Backed {data} up to {file}, {file.stat().st_size / 1e6:.1f} MB\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await put(database, "after")
    running = call("hub", "restore", file, "--data", data, "--yes")
    assert (running.exit_code, running.output) == (1, f"echelon: the hub in {data} is running: stop it first\n")
    await database.close()
    assert call("hub", "restore", file, "--data", data).exit_code == 1  # asked, and nobody says yes
    done = call("hub", "restore", file, "--data", data, "--yes")
    assert done.exit_code == 0
    assert f"echelon up --data {data}" in done.output
    database = opened(data)
    assert names(database) == ["before"]
    await put(database, "later")
    await database.close()


async def test_a_stopped_hub_is_backed_up_and_restored_elsewhere(tmp_path: Path) -> None:
    database = opened(tmp_path / "data")
    await put(database, "a")
    await database.close()
    back_up(tmp_path / "data", tmp_path / "backup")
    bring_back(tmp_path / "backup", tmp_path / "other" / "data")
    database = opened(tmp_path / "other" / "data")
    assert names(database) == ["a"]
    await database.close()


async def test_what_cannot_be_backed_up_or_restored(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"there is no hub in .*--data"):
        back_up(tmp_path, tmp_path / "backup")
    database = opened(tmp_path)
    await database.close()
    with pytest.raises(BackupError, match="its folder does not exist"):
        back_up(tmp_path, tmp_path / "absent" / "backup")
    (tmp_path / "text").write_text("no backup")
    with pytest.raises(BackupError, match="not a store"):
        bring_back(tmp_path / "text", tmp_path)
    failed = call("hub", "restore", tmp_path / "text", "--data", tmp_path, "--yes")
    assert failed.exit_code == 1
    assert failed.output.startswith("echelon: ")
