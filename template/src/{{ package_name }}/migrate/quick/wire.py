"""One question to Postgres without a driver: importing one takes longer than the answer.

It speaks as much of the protocol as a server of today asks for, and gives up on the rest.
https://www.postgresql.org/docs/current/protocol.html
"""

import base64
import hashlib
import hmac
import os
import socket
import struct
import time
from collections.abc import Iterator

from ...database.tls import SSLMode, tls_of

TIMEOUT = 10  # seconds, for all of it
MOST = 1 << 20  # bytes that the server may send, in all
MOST_ROUNDS = 100_000  # of hashing that a server may ask for; 4,096 is Postgres's own
PROTOCOL = 3 << 16
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

AUTHENTICATED, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12


class UnsureError(Exception):
    """The server answered something that this module does not understand."""


def ask(
    host: str,
    port: int,
    user: str,
    password: str,
    database: str,
    query: str,
    *,
    sslmode: SSLMode,
    sslrootcert: str,
) -> list[str | None]:
    """The first column of a query's rows.

    Raises:
        UnsureError: the server refuses, or wants what is not spoken here.
        OSError: there is no connection, or no TLS as the mode demands it.
        ConfigurationError: the root certificate cannot be read.
    """
    deadline = time.monotonic() + TIMEOUT
    with _connect(host, port) as plain, _encrypt(plain, host, sslmode, sslrootcert) as server:
        parameters = {"user": user, "database": database, "client_encoding": "UTF8"}
        words = "".join(f"{name}\0{value}\0" for name, value in parameters.items()) + "\0"
        _send(server, b"", struct.pack("!i", PROTOCOL) + words.encode())
        replies = _replies(server, deadline)
        _log_in(server, replies, password)
        for kind, _ in replies:
            if kind == b"Z":
                break
        _send(server, b"Q", query.encode() + b"\0")
        rows: list[str | None] = []
        for kind, body in replies:
            if kind == b"D":
                rows.append(_first_column(body))
            elif kind == b"Z":
                break
        _send(server, b"X", b"")
        return rows


def _connect(host: str, port: int) -> socket.socket:
    if host.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.settimeout(TIMEOUT)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server
    return socket.create_connection((host, port), TIMEOUT)


def _encrypt(plain: socket.socket, host: str, sslmode: SSLMode, sslrootcert: str) -> socket.socket:
    if plain.family == socket.AF_UNIX or sslmode in ("disable", "allow"):
        return plain
    plain.sendall(SSL_REQUEST)
    if plain.recv(1) != b"S":
        if sslmode == "prefer":
            return plain
        raise UnsureError("the server has no TLS")
    import ssl  # costs time that a plain connection need not take

    context = tls_of(sslmode, sslrootcert)
    if not isinstance(context, ssl.SSLContext):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=host)


def _send(server: socket.socket, kind: bytes, body: bytes) -> None:
    server.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def _replies(server: socket.socket, deadline: float) -> Iterator[tuple[bytes, bytes]]:
    """The server's messages: the kind and the body of each."""
    received = 0
    while True:
        kind = _receive(server, 1, deadline)
        (length,) = struct.unpack("!i", _receive(server, 4, deadline))
        received += length + 1
        if length < 4 or received > MOST:
            raise UnsureError(length)
        body = _receive(server, length - 4, deadline)
        if kind == b"E":
            raise UnsureError(body)
        yield kind, body


def _receive(server: socket.socket, length: int, deadline: float) -> bytes:
    received = b""
    while len(received) < length:
        left = deadline - time.monotonic()
        if left <= 0:
            raise UnsureError("the server takes too long")
        server.settimeout(left)
        some = server.recv(length - len(received))
        if not some:
            raise UnsureError("the server closed the connection")
        received += some
    return received


def _log_in(server: socket.socket, replies: Iterator[tuple[bytes, bytes]], password: str) -> None:
    """Without a password where the server wants none, else by SCRAM-SHA-256 (RFC 5802, 7677)."""
    code, body = _authentication(next(replies))
    if code == AUTHENTICATED:
        return
    if code != SASL or b"SCRAM-SHA-256" not in body.split(b"\0") or not password.isascii():
        raise UnsureError("another way to log in")  # or a password that SASLprep might change
    nonce = base64.b64encode(os.urandom(18))
    first = b"n=,r=" + nonce
    offer = b"n,," + first
    _send(server, b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(offer)) + offer)
    challenge = _expect(replies, SASL_CONTINUE)
    values = dict(part.split(b"=", 1) for part in challenge.split(b","))
    if not values[b"r"].startswith(nonce):
        raise UnsureError("the server did not repeat the nonce")
    last = b"c=biws,r=" + values[b"r"]
    if int(values[b"i"]) > MOST_ROUNDS:
        raise UnsureError("too many rounds")
    salted = hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(values[b"s"]), int(values[b"i"])
    )
    transcript = b",".join((first, challenge, last))
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), transcript)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    _send(server, b"p", last + b",p=" + base64.b64encode(proof))
    final = _expect(replies, SASL_FINAL)
    expected = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), transcript))
    if not hmac.compare_digest(final, b"v=" + expected):
        raise UnsureError("the server does not know the password")
    _expect(replies, AUTHENTICATED)


def _expect(replies: Iterator[tuple[bytes, bytes]], wanted: int) -> bytes:
    code, body = _authentication(next(replies))
    if code != wanted:
        raise UnsureError("another way to log in")
    return body


def _authentication(reply: tuple[bytes, bytes]) -> tuple[int, bytes]:
    kind, body = reply
    if kind != b"R":
        raise UnsureError(kind)
    (code,) = struct.unpack_from("!i", body)
    return code, body[4:]


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _first_column(body: bytes) -> str | None:
    (length,) = struct.unpack_from("!i", body, 2)  # behind the number of columns
    return None if length < 0 else body[6 : 6 + length].decode()
