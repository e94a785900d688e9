"""Stands between a client and a Postgres server: counts round trips, or adds TLS."""

import asyncio
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

HOST = "127.0.0.1"

# https://www.postgresql.org/docs/current/protocol-message-formats.html: what a client asks first
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)

# How a server offers its ways to log in: without TLS, and with it.
SCRAM, PLUS = b"SCRAM-SHA-256\0", b"SCRAM-SHA-256-PLUS\0"
OFFER = struct.pack("!cii", b"R", 8 + len(SCRAM) + 1, 10) + SCRAM + b"\0"
OFFER_OF_BINDING = struct.pack("!cii", b"R", 8 + len(PLUS + SCRAM) + 1, 10) + PLUS + SCRAM + b"\0"


@dataclass
class Turn:
    """Who has spoken last on a connection."""

    connection: int
    speaker: str = "server"


class Proxy:
    """One proxy. A round trip begins when the client speaks after the server has spoken."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, *, binding: bool = False
    ) -> None:
        self.server = (host, port)
        self.tls = tls
        self.binding = binding
        self.port = 0
        self.round_trips = 0
        self.round_trips_of: list[int] = []  # by connection, in the order in which they came
        self.encrypted = 0  # connections that were upgraded to TLS
        self.stop: Callable[[], object] = lambda: None

    async def serve(self, listening: threading.Event) -> None:
        """Listen on a free port until `stop` is called, from any thread."""
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        self.stop = lambda: loop.call_soon_threadsafe(stopped.set)
        listener = await asyncio.start_server(self._relay, HOST, 0)
        self.port = listener.sockets[0].getsockname()[1]
        listening.set()
        await stopped.wait()
        listener.close()

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with closing(to_client), suppress(OSError, asyncio.IncompleteReadError):
            first = b""
            if self.tls:
                first = await self._agree_on_tls(client, to_client)
            server, to_server = await asyncio.open_connection(*self.server)
            with closing(to_server):
                turn = Turn(len(self.round_trips_of))
                self.round_trips_of.append(0)
                if first:
                    self._count(turn, "client")
                    to_server.write(first)
                await asyncio.wait(
                    [
                        asyncio.create_task(self._pump(client, to_server, turn, "client")),
                        asyncio.create_task(self._pump(server, to_client, turn, "server")),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )

    async def _agree_on_tls(
        self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> bytes:
        """Answer the client's first requests; what it says instead goes to the server."""
        assert self.tls is not None
        while True:
            request = await client.readexactly(8)
            if request == GSS_REQUEST:
                to_client.write(b"N")
            elif request == SSL_REQUEST:
                to_client.write(b"S")
                await to_client.drain()
                await to_client.start_tls(self.tls)
                self.encrypted += 1
            else:
                return request

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        turn: Turn,
        speaker: str,
    ) -> None:
        while data := await source.read(1 << 16):
            self._count(turn, speaker)
            if self.binding and speaker == "server":
                data = data.replace(OFFER, OFFER_OF_BINDING)
            sink.write(data)
            await sink.drain()

    def _count(self, turn: Turn, speaker: str) -> None:
        if speaker == "client" and turn.speaker == "server":
            self.round_trips += 1
            self.round_trips_of[turn.connection] += 1
        turn.speaker = speaker


@contextmanager
def proxy(
    host: str, port: int, tls: ssl.SSLContext | None = None, *, binding: bool = False
) -> Iterator[Proxy]:
    """A proxy to a server, in a thread. With `tls`, clients may ask for TLS. With
    `binding`, it offers channel binding, as a server with TLS does.
    """
    relay, listening = Proxy(host, port, tls, binding=binding), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(relay.serve(listening)))
    thread.start()
    listening.wait()
    try:
        yield relay
    finally:
        relay.stop()
        thread.join()
