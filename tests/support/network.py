"""A network of namespaces: a client's machine, a server's, and a router that can drop packets."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SERVER = "10.77.2.2"

_CLONE_NEWNET = 0x40000000
_LISTEN, _TIME_WAIT = "0A", "06"  # states in /proc/net/tcp

_SETUP = """
netns add {router}
netns add {client}
netns add {server}
-n {client} link set lo up
-n {server} link set lo up
-n {router} link add c0 type veth peer name c1 netns {client}
-n {router} link add s0 type veth peer name s1 netns {server}
-n {router} address add 10.77.1.1/24 dev c0
-n {router} address add 10.77.2.1/24 dev s0
-n {client} address add 10.77.1.2/24 dev c1
-n {server} address add 10.77.2.2/24 dev s1
-n {router} link set c0 up
-n {router} link set s0 up
-n {client} link set c1 up
-n {server} link set s1 up
-n {client} route add default via 10.77.1.1
-n {server} route add default via 10.77.2.1
"""


def obstacle() -> str:
    """Why this machine cannot have such a network; empty if it can."""
    if sys.platform != "linux":
        return "namespaces are a Linux thing"
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("ip") else "network namespaces need iproute2"


class Network:
    """Two machines. What is started in a `with` block of one belongs to it."""

    def __init__(self, name: str) -> None:
        self.names = {part: f"{name}-{part}" for part in ("client", "router", "server")}

    @contextmanager
    def client(self) -> Iterator[None]:
        """On the client's machine: sockets and processes that this thread makes."""
        with _inside(self.names["client"]):
            yield

    @contextmanager
    def server(self) -> Iterator[None]:
        """On the server's machine."""
        with _inside(self.names["server"]):
            yield

    def cut(self) -> None:
        """Drop every packet on its way, without a word."""
        self._forward("0")

    def heal(self) -> None:
        """Deliver packets again."""
        self._forward("1")

    def forget_quickly(self) -> None:
        """Let the server's machine soon give up what it has to say on connections that are closed."""
        with self.server(), open("/proc/sys/net/ipv4/tcp_orphan_retries", "w") as file:
            file.write("1")

    def connections(self) -> int:
        """How many there are on the server's machine, the closed ones that it remembers included."""
        with self.server(), open("/proc/thread-self/net/tcp") as file:
            return sum(line.split()[3] not in (_LISTEN, _TIME_WAIT) for line in [*file][1:])

    def _forward(self, value: str) -> None:
        with _inside(self.names["router"]), open("/proc/sys/net/ipv4/ip_forward", "w") as file:
            file.write(value)


@contextmanager
def network() -> Iterator[Network]:
    """A network that nobody else uses."""
    made = Network(f"lost{os.getpid()}")
    try:
        for line in _SETUP.format(**made.names).strip().splitlines():
            _ip(*line.split())
        made.heal()
        yield made
    finally:
        for name in made.names.values():
            _ip("netns", "delete", name, check=False)


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


@contextmanager
def _inside(name: str) -> Iterator[None]:
    """Put this thread into a network namespace; os.setns came with Python 3.12."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _check(setns(there, _CLONE_NEWNET))
        try:
            yield
        finally:
            _check(setns(home, _CLONE_NEWNET))
    finally:
        os.close(there)
        os.close(home)


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "setns")
