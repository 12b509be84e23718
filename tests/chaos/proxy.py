"""A network between two programs: a TCP proxy that delays, resets, swallows and refuses as it is told.

What a fault has taken from a connection is lost: once the network is whole again such a connection is reset, as
a peer does that knows nothing of it any more. Connections that lost nothing go on.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER that makes close() send RST


class Network:
    """The network in front of one server."""

    def __init__(self, target: int, rng: random.Random) -> None:
        self.port = 0
        self.delay = 0.0  # seconds that each piece takes, at most
        self.refuses = False  # new connections are reset at once
        self.swallows: frozenset[str] = frozenset()  # "to" and "from" the server: what is sent that way is lost
        self.cuts = 0.0  # the share of pieces after which a connection is reset
        self._target = target
        self._rng = rng
        self._open: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._spoilt: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            _reset(writer)
            return
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        self._open[writer] = to_writer
        there = asyncio.create_task(self._pump("to", reader, to_writer, writer))
        back = asyncio.create_task(self._pump("from", to_reader, writer, writer))
        self._tasks |= {there, back}
        await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        self._end(writer)
        await asyncio.gather(there, back, return_exceptions=True)
        self._tasks -= {there, back}

    async def _pump(
        self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self._rng.uniform(0, self.delay))
                if way in self.swallows:
                    self._spoilt.add(client)
                    continue
                if self.cuts and self._rng.random() < self.cuts:
                    writer.write(piece[: len(piece) // 2])
                    return
                writer.write(piece)
                await writer.drain()

    def break_all(self) -> None:
        """Reset every connection there is."""
        for client in list(self._open):
            self._end(client)

    def heal(self) -> None:
        """All is well from now on; connections that lost something are reset."""
        self.delay, self.refuses, self.swallows, self.cuts = 0.0, False, frozenset(), 0.0
        for client in list(self._spoilt):
            self._end(client)
        self._spoilt.clear()

    def _end(self, client: asyncio.StreamWriter) -> None:
        server = self._open.pop(client, None)
        if server is not None:
            _reset(client)
            _reset(server)

    async def close(self) -> None:
        self.break_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def network(target: int, seed: int = 1) -> AsyncIterator[Network]:
    """A network in front of the server at a port of this machine."""
    between = Network(target, random.Random(seed))
    server = await asyncio.start_server(between.accept, "127.0.0.1", 0)
    between.port = server.sockets[0].getsockname()[1]
    try:
        yield between
    finally:
        server.close()
        await between.close()
        await server.wait_closed()
