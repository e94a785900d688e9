"""A server that speaks as much of Postgres's protocol as a client needs to log in, and then misbehaves.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Behaviour = Literal[
    "never answers",
    "never answers a query",
    "endless rows",
    "endless notices",
    "an endless error",
    "one byte at a time",
    "refuses",
    "speaks HTTP",
]

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
VERSION = "16.0 \x1b]0;owned\x07"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def fields(**values: str) -> bytes:
    """The body of an error or a notice."""
    return b"".join(f"{name}{text}\0".encode() for name, text in values.items()) + b"\0"


WELCOME = b"".join(
    [
        message(b"R", struct.pack("!i", 0)),
        *(
            message(b"S", f"{name}\0{value}\0".encode())
            for name, value in {
                "server_version": VERSION,
                "client_encoding": "UTF8",
                "standard_conforming_strings": "on",
                "integer_datetimes": "on",
                "TimeZone": "UTC",
            }.items()
        ),
        message(b"K", struct.pack("!ii", 1, 1)),
        message(b"Z", b"I"),
    ]
)
TEXT = struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
COLUMNS = message(b"T", struct.pack("!h", 1) + b"a\0" + TEXT)
ROW = message(b"D", struct.pack("!hi", 1, 1000) + b"x" * 1000)


class FakeServer:
    """One such server, on a port of loopback."""

    def __init__(self, behaviour: Behaviour, said: str) -> None:
        self.behaviour, self.said = behaviour, said
        self.stopped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError, struct.error):
            if self.behaviour == "never answers":
                self.stopped.wait()
                return
            if self.behaviour == "speaks HTTP":
                self._startup(client)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            while struct.unpack("!i", self._startup(client)[:4])[0] in (SSL_REQUEST, GSS_REQUEST):
                client.sendall(b"N")
            match self.behaviour:
                case "refuses":
                    client.sendall(message(b"E", fields(S="FATAL", C="28000", M=self.said)))
                    return
                case "endless notices":
                    notice = message(b"N", fields(S="WARNING", C="01000", M=self.said * 20))
                    self._for_ever(client, notice * 100)
                case "an endless error":
                    client.sendall(b"E" + struct.pack("!i", (1 << 31) - 1) + b"M")
                    self._for_ever(client, b"x" * 100_000)
                case "one byte at a time":
                    for byte in WELCOME * 1000:
                        client.sendall(bytes([byte]))
                        time.sleep(0.5)
            client.sendall(WELCOME)
            while True:
                kind = self._receive(client, 1)
                (length,) = struct.unpack("!i", self._receive(client, 4))
                self._receive(client, length - 4)
                if self.behaviour == "never answers a query":
                    self.stopped.wait()
                    return
                self._answer(client, kind)

    def _answer(self, client: socket.socket, kind: bytes) -> None:
        match kind:
            case b"P":
                client.sendall(message(b"1", b""))
            case b"D":
                client.sendall(message(b"t", struct.pack("!h", 0)) + COLUMNS)
            case b"B":
                client.sendall(message(b"2", b""))
            case b"E":
                self._for_ever(client, ROW * 100)
            case b"Q":
                client.sendall(COLUMNS)
                self._for_ever(client, ROW * 100)
            case b"S":
                client.sendall(message(b"Z", b"I"))

    def _for_ever(self, client: socket.socket, some: bytes) -> None:
        while not self.stopped.is_set():
            client.sendall(some)

    def _startup(self, client: socket.socket) -> bytes:
        (length,) = struct.unpack("!i", self._receive(client, 4))
        return self._receive(client, length - 4)

    def _receive(self, client: socket.socket, length: int) -> bytes:
        received = b""
        while len(received) < length:
            some = client.recv(length - len(received))
            if not some:
                raise EOFError
            received += some
        return received


@contextmanager
def fake_server(behaviour: Behaviour, said: str = "") -> Iterator[FakeServer]:
    """Such a server, while the block runs."""
    server = FakeServer(behaviour, said)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(timeout=10)
