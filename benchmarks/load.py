"""Loads an HTTP server for some seconds, and prints requests a second and latencies as JSON.

Runs as a program, so that it takes no time of the server's event loop. Each client has a connection
that it keeps, and sends a request when it has the response to the last one.
"""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

BODY = b'{"title":"Groceries"}'
WARM = 0.3  # seconds that do not count


class Client(asyncio.Protocol):
    """One client."""

    def __init__(self, request: bytes, begin: float, end: float, found: list[float]) -> None:
        self._request, self._begin, self._end, self._found = request, begin, end, found
        self.is_over = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own class
        self._send()

    def _send(self) -> None:
        self.requests += 1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(
            head.lower().partition(b"content-length:")[2][:9].split()[0]
        ):
            return
        assert head[9:10] == b"2", head
        now, self._buffer = time.perf_counter(), b""
        if self._sent >= self._begin:
            self._found.append(now - self._sent)
        if now < self._end:
            self._send()
        else:
            self._transport.close()
            self.is_over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_over.done():
            self.is_over.set_exception(exc or ConnectionError("the server has closed it"))


async def load(port: int, method: str, path: str, clients: int, seconds: float) -> None:
    """Send requests and print the figures."""
    body = BODY if method == "POST" else b""
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    begin = time.perf_counter() + WARM
    found: list[float] = []
    loop = asyncio.get_running_loop()
    started = [
        await loop.create_connection(
            lambda: Client(request, begin, begin + seconds, found), "127.0.0.1", port
        )
        for _ in range(clients)
    ]
    await asyncio.gather(*(client.is_over for _, client in started))
    took = time.perf_counter() - begin
    found.sort()
    figures = {"rate": len(found) / took, "p99": found[int(len(found) * 0.99)]}
    print(json.dumps(figures | {"requests": sum(client.requests for _, client in started)}))


if __name__ == "__main__":
    _, port, method, path, clients, seconds = sys.argv
    uvloop.run(load(int(port), method, path, int(clients), float(seconds)))
