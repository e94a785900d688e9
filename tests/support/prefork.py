"""Runs `alembic` and `db` of a project without importing their libraries each time: a process that has
them imported forks for every command. Files, environment, output and exit code are a command's own;
what is shared is what is in site-packages.

Tests that are about the commands as a person types them are marked `typed` and go through `uv run`.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

enabled = True

PRELOADED = (
    "alembic.command",
    "alembic.config",
    "asyncpg",
    "psutil",
    "pydantic_settings",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.orm",
)
DRIVERS = ("psycopg", "psycopg2")  # preloaded where they are installed


@cache
def _server(python: Path) -> str:
    """The address of the process that forks, started when it is first wanted."""
    folder = tempfile.TemporaryDirectory(prefix="prefork-")  # nobody else can enter it
    address = str(Path(folder.name) / "socket")
    process = subprocess.Popen([python, "-P", __file__, address], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()  # it listens
    atexit.register(folder.cleanup)
    atexit.register(process.wait)
    atexit.register(process.terminate)
    atexit.register(process.stdout.close)
    return address


def run(
    python: Path,
    command: list[str],
    sources: list[str],
    cwd: Path,
    environment: dict[str, str],
    *,
    merged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run `alembic …` or `db …` for the packages in source folders.

    Args:
        python: of the virtual environment that has the libraries.
        command: its words.
        sources: the folders of the service's package and of the library.
        cwd: where it runs.
        environment: all of it.
        merged: whether stdout gets both streams, as a terminal does.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        err = out if merged else Path(folder) / "err"
        request = {
            "argv": command,
            "sources": sources,
            "cwd": str(cwd),
            "environment": environment | {"PYTHONPATH": os.pathsep.join(sources)},
            "out": str(out),
            "err": str(err),
        }
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(300)
            client.connect(_server(python))
            client.sendall(json.dumps(request).encode() + b"\n")
            code = int(client.makefile().readline())
        errors = "" if merged else err.read_text()
        return subprocess.CompletedProcess(command, code, out.read_text(), errors)


def _serve(address: str) -> None:
    for name in PRELOADED:
        __import__(name)
    for name in DRIVERS:
        if find_spec(name):
            __import__(f"sqlalchemy.dialects.postgresql.{name}")
            __import__(name)
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(16)
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            if os.fork():
                client.close()
                continue
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = json.loads(client.makefile().readline())
            child = os.fork()
            if child == 0:
                client.close()
                _become(request)
            _, status = os.waitpid(child, 0)
            client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            os._exit(0)


def _reap(*_: object) -> None:
    """Wait for the children that have ended: their CPU time counts as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _become(request: dict[str, object]) -> None:
    """Run the command in this process, and end it."""
    code: object = 1
    try:
        for path, number in ((request["out"], 1), (request["err"], 2)):
            os.dup2(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr, sys.stdin = (
            os.fdopen(1, "w", 1, closefd=False),
            os.fdopen(2, "w", 1, closefd=False),
            os.fdopen(0, closefd=False),
        )
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
        sys.path[:0] = request["sources"]  # type: ignore[call-overload]
        sys.argv = list(request["argv"])  # type: ignore[call-overload]
        if sys.argv[0] == "db":
            __import__("alembic_live.commands.main")
            sys.modules["alembic_live.commands.main"].main()
        else:
            sys.modules["alembic.config"].main()
        code = 0
    except SystemExit as ending:
        code = ending.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(str(code or 0)) & 0xFF)


if __name__ == "__main__":
    _serve(sys.argv[1])
