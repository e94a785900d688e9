"""The options of a connection's socket, and the settings of its session."""

import socket
from collections.abc import Iterator

import postgast
import pytest
from alembic_live.keepalive import CHECK, SERVER_SETTINGS, keep_alive, watching


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """One side of a connection."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        yield client


def test_a_connection_has_limits(client: socket.socket) -> None:
    keep_alive(client)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3


def test_a_system_that_lacks_some_of_the_options(
    client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TCP_KEEPIDLE", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name, raising=False)
    keep_alive(client)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
    assert client.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10


def test_a_unix_socket_needs_none() -> None:
    one, other = socket.socketpair()
    with one, other:
        keep_alive(one)


def test_the_server_watches_for_its_client() -> None:
    sql = watching(CHECK, jit="off")
    assert "set_config('jit', 'off', false)" in sql
    postgast.parse(f"SELECT {sql}")
    for name, value in SERVER_SETTINGS.items():
        assert f"set_config('{name}', '{value}', false)" in sql
    assert "'client_connection_check_interval', '5000'" in sql
