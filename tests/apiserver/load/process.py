"""An API server in a process of its own: ``python process.py FOLDER BYTES`` serves the store in it and says its port.

Its files cannot grow beyond so many bytes, if that is not 0. It stops when its standard input ends.
"""

from __future__ import annotations

import asyncio
import os
import resource
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
        self.disk_bytes = 0
        """How large files may become from the next start on; 0 for no limit."""
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it; returns once it serves."""
        self.port = await asyncio.to_thread(self._start)

    def _start(self) -> int:
        command = [sys.executable, __file__, str(self._folder), str(self.disk_bytes)]
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


async def main(folder: Path, disk_bytes: int) -> None:
    if disk_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (disk_bytes, disk_bytes))
    database = Database.open(folder / "store.db", summarize=summarize)
    server = ApiServer(database.keyspace("main"), authenticator=StaticTokens(USERS))
    await server.start()
    http = await serve(server, before_stop=server.end_streams)
    print(http.port, flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads on: what is logged must not fill a pipe
    await asyncio.to_thread(sys.stdin.buffer.read)
    await http.stop()
    await server.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
