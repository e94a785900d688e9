"""Encrypts the connections of a program whose libpq has no TLS, such as the wheel's pg_dump.

The program connects to a unix socket in a folder that only this account can enter.
"""

import asyncio
import ssl
import struct
import tempfile
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from alembic_live.address import Address

# https://www.postgresql.org/docs/current/protocol-message-formats.html
_SSL_REQUEST = bytes.fromhex("00000008 04d2162f")
_HEADER = struct.Struct("!ci")  # of a message: its kind and its length without the kind
_SASL = bytes.fromhex("0000000a")  # the begin of AuthenticationSASL


@dataclass
class Relay:
    """The relay of one address.

    Attributes:
        address: what the program connects to.
        problems: why connections failed, in sentences without a full stop.
    """

    address: Address
    problems: list[str] = field(default_factory=list)


@contextmanager
def relayed(address: Address) -> Iterator[Relay]:
    """Run a relay in a thread.

    Raises:
        ConfigurationError: a certificate cannot be read.
    """
    context: ssl.SSLContext = address.tls.context()
    with tempfile.TemporaryDirectory(prefix="relay-", dir=_short_folder()) as folder:
        # A socket for each host, whose number stands for the port.
        numbers = range(1, len(address.hosts) + 1)
        (host, port), *further = [(folder, number) for number in numbers]
        there = replace(address, host=host, port=port, further=tuple(further), sslmode="disable")
        relay = Relay(there)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        servers: list[asyncio.Server] = []
        try:
            for number, one in zip(numbers, address.each, strict=True):
                path = Path(folder, f".s.PGSQL.{number}")
                listening = _listen(path, one, context, relay.problems)
                servers.append(asyncio.run_coroutine_threadsafe(listening, loop).result())
            yield relay
        finally:
            asyncio.run_coroutine_threadsafe(_end(servers), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _listen(
    path: Path, address: Address, context: ssl.SSLContext, problems: list[str]
) -> asyncio.Server:
    async def serve(client: StreamReader, to_client: StreamWriter) -> None:
        with closing(to_client), suppress(asyncio.CancelledError):
            try:
                async with asyncio.timeout(address.timeout):
                    server, to_server = await _connect(address, context)
            except (OSError, ValueError, TimeoutError) as error:
                reason = " ".join(str(error).split()) or "no answer in time"
                problems.append(f"{address.where}: {reason}")
                return
            try:
                _done, pending = await asyncio.wait(
                    [
                        asyncio.create_task(_copy(client, to_server)),
                        asyncio.create_task(_copy_from_server(server, to_client)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in pending:
                    task.cancel()
            finally:
                to_server.transport.abort()

    return await asyncio.start_unix_server(serve, path)


async def _connect(address: Address, context: ssl.SSLContext) -> tuple[StreamReader, StreamWriter]:
    """
    Raises:
        OSError: nobody answers, or the certificate is not right.
        ValueError: the server does not encrypt.
    """
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(_SSL_REQUEST)
        answer = await reader.read(1)
        if answer == b"S":
            await writer.start_tls(context, server_hostname=address.host)
        elif address.sslmode not in ("allow", "prefer") or address.sslcert:
            raise ValueError("the server does not support TLS")
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


async def _copy_from_server(source: StreamReader, target: StreamWriter) -> None:
    """libpq refuses a server that offers channel binding on a connection that is not encrypted, so
    this way to log in is taken from its offer.
    """
    with suppress(asyncio.IncompleteReadError, OSError):
        while True:
            kind, length = _HEADER.unpack(await source.readexactly(_HEADER.size))
            body = await source.readexactly(length - 4)
            if body.startswith(_SASL):
                body = body.replace(b"SCRAM-SHA-256-PLUS\0", b"")
            target.write(_HEADER.pack(kind, len(body) + 4) + body)
            if kind in (b"R", b"E"):  # the server asks for a login, or refuses
                break
        await _copy(source, target)


async def _copy(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()


async def _end(servers: list[asyncio.Server]) -> None:
    for server in servers:
        server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)  # the loop closes the sockets


def _short_folder() -> str | None:
    """The path of a socket may have about 100 characters."""
    return "/tmp" if Path("/tmp").is_dir() else None
