"""An API server in a process of its own: ``python process.py FOLDER`` serves the store in it and says on which port.

It stops when its standard input ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize

TOKEN = "secret"
USERS = {TOKEN: User("admin", (MASTERS,)), "jane": User("jane"), "joe": User("joe")}


class ServerProcess:
    """The process, as a test holds it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it; returns once it serves."""
        self.port = await asyncio.to_thread(self._start)

    def _start(self) -> int:
        command = [sys.executable, __file__, str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def memory(self) -> int:
        """Resident bytes; 0 where the system does not tell."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does."""
        self._end(lambda process: process.kill())

    def close(self) -> None:
        """Let it stop, if it runs."""
        self._end(lambda process: None)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is not None:
            with process:
                how(process)


async def main(folder: Path) -> None:
    database = Database.open(folder / "store.db", summarize=summarize)
    server = ApiServer(database.keyspace("main"), authenticator=StaticTokens(USERS))
    await server.start()
    http = await serve(server, before_stop=server.end_streams)
    print(http.port, flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    await http.stop()
    await server.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
