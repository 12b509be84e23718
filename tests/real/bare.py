"""API servers with nothing of a fleet in them: a process that serves some, each on a port of its own, over TLS.

    python tests/real/bare.py FOLDER NAME...

It prints ``ready`` once all of them accept connections; FOLDER then holds a kubeconfig with a context for each,
signed in as a member of system:masters. Their data stays in FOLDER. It ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import ssl
import sys
from datetime import UTC, datetime
from pathlib import Path

from echelon.apiserver import MASTERS, AccessOptions, ApiServer, Database, StaticTokens, User, serve, summarize
from echelon.kube import kubeconfig
from echelon.local.pki import ensure_certificates


async def main(folder: Path, names: list[str]) -> None:
    files = ensure_certificates(folder / "tls", ["localhost", "127.0.0.1"], datetime.now(UTC))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(files.server, files.server_key)
    database = Database.open(folder / "clusters.db", summarize=summarize)
    entries, running = [], []
    for name in names:
        token = secrets.token_urlsafe()
        server = ApiServer(
            database.keyspace(name),
            authenticator=StaticTokens({token: User("admin", (MASTERS,))}),
            access=AccessOptions(signing_key=folder / f"{name}.key"),
        )
        await server.start()
        http = await serve(server, tls=tls, before_stop=server.end_streams)
        running.append((http, server))
        address = f"https://127.0.0.1:{http.port}"
        entries.append(kubeconfig.Entry(name, address, files.authority.read_bytes(), token=token))
    kubeconfig.write(folder / "kubeconfig", entries, current=names[0])
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("ready", flush=True)
    await stopped.wait()
    for http, server in running:
        await http.stop()
        await server.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
