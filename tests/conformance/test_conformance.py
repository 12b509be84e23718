"""The server answers as a real kube-apiserver did: every recorded step of every case, wording included.

``replay.py``, ``cases`` and ``expected`` are kept as they were recorded. They talk to a server of
their own over a loopback socket, one for all cases, which use a namespace each.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize

HERE = Path(__file__).parent
CASES = sorted(path.stem for path in (HERE / "cases").glob("*.yaml"))
TOKEN = "conformance"

# The replay leaves its connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def _load_replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_replay", HERE / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay = _load_replay()


class ServerThread(threading.Thread):
    """A server on a loop of its own, since the replay blocks."""

    def __init__(self) -> None:
        super().__init__(name="conformance-server")
        self.port = 0
        self.started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self.started.set()
            self._loop.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self.join()

    async def _serve(self) -> None:
        database = Database.open(None, summarize=summarize)
        authenticator = StaticTokens({TOKEN: User("admin", (MASTERS,))})
        server = ApiServer(database.keyspace("main"), authenticator=authenticator)
        await server.start()
        http = await serve(server, before_stop=server.end_streams)
        self.port = http.port
        self.started.set()
        await self._ended.wait()
        await http.stop()
        await server.close()
        await database.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    thread = ServerThread()
    thread.start()
    thread.started.wait(10)
    yield f"http://127.0.0.1:{thread.port}"
    thread.end()


def without_numbers(message: str | None) -> str | None:
    """A message less what depends on how much was written before."""
    return None if message is None else re.sub(r"\d+", "N", message)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, url: str) -> None:
    case: dict[str, Any] = yaml.safe_load((HERE / "cases" / f"{name}.yaml").read_text())
    expected: dict[str, Any] = json.loads((HERE / "expected" / f"{name}.json").read_text())
    results = replay.run_case(replay.Server(url, TOKEN), case, name)
    faults = []
    for step, want in expected.items():
        got = results.get(step, {"error": "not run"})
        for answer in (want, got):
            if "message" in answer:
                answer["message"] = without_numbers(answer["message"])
        faults += [f"{step}{difference}" for difference in replay.differences(want, got)]
    assert not faults, "\n".join(faults)
