"""A Postgres cluster in a folder. Postgres's programs create, start and stop it."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import psutil
from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.postgres.local.account import server_account
from alembic_live.postgres.local.binaries import find_binaries, major_version
from alembic_live.postgres.local.ownership import (
    create_file,
    make_folder,
    open_file,
    require_folder,
)
from alembic_live.printable import one_line
from alembic_live.sql.redaction import redacted_message

ADMIN = "local_admin"  # the cluster's superuser; the project has another role
KNOWN = ("admin-password", "data.new", "log", ".gitignore")
TIMEOUT = 60  # seconds, for a start or a stop

SETTINGS = """
# Set by alembic-live. The address is set at each start. There is no unix socket, because the path
# of a socket must be short.
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
"""
THROWAWAY_SETTINGS = """
# The data need not survive a crash of the machine.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class Cluster:
    """A cluster. Its folder contains `data`, `log` and the password of its superuser.

    Callers must ensure that only one process at a time starts or stops it.

    Raises:
        CommandError: the folder exists and belongs to another account.
    """

    def __init__(
        self, folder: Path, *, throwaway: bool = False, password: str | None = None
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.password_file = folder / "admin-password"
        self.ignore_file = folder / ".gitignore"
        self.pid_file = self.data / "postmaster.pid"
        self.throwaway = throwaway
        self._password = password  # of the superuser, for a new cluster
        self.account = server_account()
        if os.path.lexists(folder):
            require_folder(folder, self.account)

    def start(self, host: str, port: int, *, setting: str = "DB_PORT") -> None:
        """Start the server. Create the cluster first if it does not exist.

        Args:
            host: the host to listen on, or the directory of the unix socket.
            port: the port to listen on.
            setting: what errors call the port.

        Raises:
            CommandError: the server does not start; the text says why.
        """
        if not self.data.exists():
            self._create()
        if not os.path.lexists(self.log):
            create_file(self.log)
            self.account.give(self.log)
        if not os.path.lexists(self.ignore_file):
            # Else `git add --all` keeps the data and the password.
            create_file(self.ignore_file, "*\n")
        if not self.is_running:
            # A crash left the file. Its process id can belong to another program now.
            self.pid_file.unlink(missing_ok=True)
        if not host.startswith("/") and not is_free(host, port):
            raise CommandError(
                f"Another program listens on {host}, port {port}. Stop it, or set {setting} to a "
                "free port and start again. The data are kept."
            )
        listen = (
            f"-c listen_addresses= -c unix_socket_directories={host}"
            if host.startswith("/")
            else f"-c listen_addresses={host}"
        )
        options = f"{listen} -p {port}"
        deadline = time.monotonic() + TIMEOUT
        while self._pg_ctl("-l", self.log, "-o", options, "start").returncode != 0:
            # The child processes of a killed server need a moment to end.
            if "still in use" not in self._end_of_log() or time.monotonic() > deadline:
                raise CommandError(f"Postgres did not start: {self._end_of_log()}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server, if it runs, and end its sessions.

        Raises:
            CommandError: the server does not stop; the text says why.
        """
        if self.is_running and self._pg_ctl("-m", "fast", "stop").returncode != 0:
            raise CommandError(f"Postgres did not stop: {self._end_of_log()}")

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the server of this cluster runs. The pid file alone can be wrong."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self.pid_file.read_text().split("\n", 1)[0]))
            return str(self.data) in process.cmdline()
        return False

    @property
    def admin_address(self) -> Address:
        """The address of the running server, with its superuser."""
        # The fourth line of the pid file is the port, the fifth the directory of the socket, the
        # sixth the host: https://www.postgresql.org/docs/current/storage-file-layout.html
        lines = self.pid_file.read_text().splitlines()
        return Address(
            host=lines[5] or lines[4],
            port=int(lines[3]),
            user=ADMIN,
            password=self.password_file.read_text(),
            name="postgres",
            sslmode="disable",
        )

    @cached_property
    def _binaries(self) -> Path:
        """Programs of the version that created the data. For a new cluster, the newest."""
        version_file = self.data / "PG_VERSION"
        version = int(version_file.read_text()) if version_file.exists() else None
        binaries = find_binaries(self.account, version)
        if version and major_version(binaries) != version:
            raise CommandError(
                f"Postgres {version} created the data in {self.folder}, but the programs in "
                f"{binaries} are version {major_version(binaries)}. Set PG_BIN to the folder of "
                f"the programs of version {version}. To upgrade, dump the data with them, remove "
                "the folder, start again and load the dump."
            )
        return binaries

    def _create(self) -> None:
        """Create the cluster under a temporary name, so that `data` is always complete."""
        make_folder(self.folder, self.account, known=KNOWN)
        create_file(self.password_file, self._password or secrets.token_urlsafe(32))
        scratch = self.folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        self.account.give(self.password_file, scratch)
        # The C locale sorts in the same way on every machine. Since version 17, the builtin
        # provider also knows the upper and lower case of all languages.
        locale = ["--locale=C"]
        if major_version(self._binaries) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = self._run(
            "initdb", "--pgdata", scratch, "--username", ADMIN, "--pwfile", self.password_file,
            "--auth=scram-sha-256", "--encoding=UTF8", *locale,
            *(["--no-sync"] if self.throwaway else []),
        )  # fmt: skip
        if done.returncode != 0:
            raise CommandError(f"Postgres's initdb failed: {done.stderr.strip()}")
        owners = (os.geteuid() if self.account.uid is None else self.account.uid,)
        with open_file(scratch / "postgresql.conf", owners=owners) as configuration:
            configuration.seek(0, os.SEEK_END)
            configuration.write(SETTINGS + (THROWAWAY_SETTINGS if self.throwaway else ""))
        scratch.rename(self.data)

    def _pg_ctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "--pgdata", self.data, f"--timeout={TIMEOUT}", *arguments)

    def _run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of Postgres's programs as the account of the server."""
        if set(str(self.folder)) & set('"$`\\'):  # pg_ctl passes the path to a shell
            raise CommandError(
                f"Postgres cannot run in {self.folder}: the path must not contain a quotation "
                "mark, dollar sign, backtick or backslash. Move the project."
            )
        environment = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
        return subprocess.run(
            [self._binaries / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment | {"LC_ALL": "C"},  # other locales may not exist on this machine
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=self.account.extra_groups,
        )

    def _end_of_log(self) -> str:
        """The last lines of the server's log, which say why it does not run."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        last = (one_line(redacted_message(line), 500) for line in lines[-3:])
        return f"{' / '.join(last)} (the whole log: {self.log})"


def is_free(host: str, port: int) -> bool:
    """Whether a server can listen on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    """A port that no program uses."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
