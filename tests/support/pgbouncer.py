"""A real PgBouncer in front of the tests' server."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from project import wait_until
from server import Database

HOST = "127.0.0.1"

# What a pooler's administrator lets clients set when they connect.
TOLERANT = {"ignore_startup_parameters": "jit,extra_float_digits,options"}


def find_pgbouncer(cache: Path) -> Path:
    """PgBouncer's program: $PGBOUNCER's or the system's, else Debian's package, unpacked into the
    folder and not installed.
    """
    known = os.environ.get("PGBOUNCER") or shutil.which("pgbouncer", path=_search_path())
    if known:
        return Path(known)
    unpacked = cache / "pgbouncer"
    if not unpacked.exists():
        if not shutil.which("apt-get"):
            raise AssertionError("Install PgBouncer, or set PGBOUNCER to its program.")
        unpack_debian_package("pgbouncer", unpacked)
    return unpacked / "usr" / "sbin" / "pgbouncer"


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/opt/homebrew/bin"])


def unpack_debian_package(name: str, target: Path) -> None:
    """Download a package, and the libraries that are missing, as any user."""
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch)
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True)
        options = {
            "Dir::State::Lists": folder / "lists",
            "Dir::Cache": folder / "cache",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "",
        }
        apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]

        def run(*command: str | Path) -> str:
            done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
            return done.stdout

        run(*apt, "update")
        plan = run(*apt, "install", "--simulate", "--no-install-recommends", name)
        names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
        run(*apt, "download", *names)
        for package in folder.glob("*.deb"):
            run("dpkg-deb", "--extract", package, folder / "unpacked")
        with suppress(OSError):  # another worker was faster
            (folder / "unpacked").rename(target)


@contextmanager
def pooler(program: Path, database: Database, mode: str, **settings: object) -> Iterator[Database]:
    """The same database through a PgBouncer with two sessions on the server.

    Args:
        program: from `find_pgbouncer`.
        database: to which it leads.
        mode: `transaction` or `session`.
        settings: of the section [pgbouncer].
    """
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    options = {
        "listen_addr": HOST,
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": folder / "users",
        "pool_mode": mode,
        "default_pool_size": 2,
        "logfile": folder / "log",
    } | settings
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    (folder / "users").write_text(f'"{database.user}" "{database.password}"\n')
    (folder / "ini").write_text(
        f"[databases]\n* = host={database.host} port={database.port}\n[pgbouncer]\n{lines}"
    )
    account: dict[str, Any] = {}
    if os.geteuid() == 0:  # which PgBouncer refuses to be
        nobody = pwd.getpwnam("nobody")
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        program = _within_reach(program, folder)
        # The folder comes last: from then on others than root may put a link into it.
        for path in (folder / "users", folder / "ini", folder):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    libraries = [str(path) for path in program.parents[1].glob("lib/*-linux-gnu")]
    process = subprocess.Popen(
        [program, "--quiet", folder / "ini"],
        env=os.environ | ({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {}),
        **account,
    )
    through = replace(database, host=HOST, port=port)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port), seconds=20)
        assert process.poll() is None, (folder / "log").read_text()
        yield through
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _within_reach(program: Path, folder: Path) -> Path:
    """The program where `nobody` can run it: caches may lie in somebody's private folder."""
    root = program.parents[2]
    if root == Path("/"):
        return program
    shutil.copytree(root / "usr", folder / "usr", symlinks=True)
    return folder / program.relative_to(root)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
