"""An API server in a process of its own, as other scenarios measure it: ``python -m bench.served``.

It is pinned to one core, where the system allows that, and tells on its standard output how long it
took to load, how much memory it has and on which port it is served. It stops when its standard
input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from echelon.apiserver import MASTERS, ApiServer, Database, StaticTokens, User, serve, summarize
from echelon.cli.loop import run
from echelon.local.pki import ensure_certificates

TOKEN = "bench"
SERVER_CORE, CLIENT_CORE = 0, 1
FILES = 16_384


class Process(msgspec.Struct, frozen=True):
    """A server under measurement. ``load_seconds`` is what opening its store took."""

    pid: int
    port: int
    load_seconds: float
    authority: Path | None

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self) -> float:
        """Processor seconds so far, threads included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def tls(self) -> ssl.SSLContext | None:
        """What a client needs to connect."""
        return None if self.authority is None else ssl.create_default_context(cafile=str(self.authority))


@contextmanager
def serving(data: Path, *, tls: bool = False) -> Iterator[Process]:
    """A server on the store ``data/echelon.db`` in a process of its own."""
    command = [sys.executable, "-m", "bench.served", str(data), *(["--tls"] if tls else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        told = json.loads(process.stdout.readline())
        authority = Path(told["authority"]) if told["authority"] else None
        yield Process(process.pid, told["port"], told["load_seconds"], authority)
        process.stdin.close()
        process.wait(30)


def pin(core: int) -> None:
    """Keep this process on one core, if there are several and the system can."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > core:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})


def raise_file_limit() -> None:
    """Allow as many connections as the scenarios open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most) if most > 0 else FILES, most))


async def _serve(data: Path, with_tls: bool) -> None:
    began = time.perf_counter()
    database = Database.open(data / "echelon.db", summarize=summarize)
    seconds = time.perf_counter() - began
    authenticator = StaticTokens({TOKEN: User("bench", groups=(MASTERS,))})
    server = ApiServer(database.keyspace("main"), authenticator=authenticator)
    await server.start()
    context, authority = None, None
    if with_tls:
        certificates = ensure_certificates(data / "pki", ("127.0.0.1",), datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server, certificates.server_key)
        authority = str(certificates.authority)
    http = await serve(server, tls=context, before_stop=server.end_streams)
    print(json.dumps({"port": http.port, "load_seconds": seconds, "authority": authority}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await http.stop()
    await server.close()
    await database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    pin(SERVER_CORE)
    raise_file_limit()
    run(_serve(options.data, options.tls))


if __name__ == "__main__":
    main()
