"""A Postgres cluster in a folder: made, started and stopped by Postgres's own programs."""

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

from ...database.address import Address
from ...printable import one_line
from ..redaction import redacted_message
from .account import server_account
from .binaries import find_binaries, major_version
from .ownership import create_file, make_folder, open_file, require_folder

ADMIN = "local_admin"  # the cluster's own superuser; a project's role is made beside it
PATIENCE = 60  # seconds that a start or a stop may take

SETTINGS = """
# Set by this project. The server listens where it is told to at its start, and on no unix
# socket, because a socket's path must be short.
unix_socket_directories = ''
timezone = 'UTC'
log_timezone = 'UTC'
"""
THROWAWAY_SETTINGS = """
# Nothing in here has to survive a crash of the machine.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class Cluster:
    """One cluster. Its folder holds `data`, `log` and the password of its superuser.

    Callers see to it that only one process at a time starts or stops it.

    Raises:
        CommandError: the folder is there and belongs to somebody else.
    """

    def __init__(self, folder: Path, *, throwaway: bool = False) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.password_file = folder / "admin-password"
        self.pid_file = self.data / "postmaster.pid"
        self.throwaway = throwaway
        self.account = server_account()
        if os.path.lexists(folder):
            require_folder(folder, self.account)

    def start(self, host: str, port: int) -> None:
        """Start the server, making the cluster first where there is none.

        Raises:
            CommandError: it does not start; the text says why.
        """
        if not self.data.exists():
            self._make()
        if not os.path.lexists(self.log):
            create_file(self.log)
            self.account.give(self.log)
        if not self.is_running:
            # Left behind by a crash; by now its process id may be another program's.
            self.pid_file.unlink(missing_ok=True)
        if not is_free(host, port):
            raise CommandError(
                f"Another program listens on {host}, port {port}. Stop it, or set DB_PORT to a "
                "free port and start again; the data stay."
            )
        options = f"-c listen_addresses={host} -p {port}"
        deadline = time.monotonic() + PATIENCE
        while self._pg_ctl("-l", self.log, "-o", options, "start").returncode != 0:
            # The processes of a server that was killed need a moment to notice it.
            if "still in use" not in self._last_words() or time.monotonic() > deadline:
                raise CommandError(f"Postgres did not start: {self._last_words()}")
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop the server, which ends its sessions; nothing happens where it does not run.

        Raises:
            CommandError: it does not stop; the text says why.
        """
        if self.is_running and self._pg_ctl("-m", "fast", "stop").returncode != 0:
            raise CommandError(f"Postgres did not stop: {self._last_words()}")

    def remove(self) -> None:
        """Stop the server and delete the cluster with everything in it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def is_running(self) -> bool:
        """Whether the server of this very cluster runs, whatever the pid file says."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(self.pid_file.read_text().split("\n", 1)[0]))
            return str(self.data) in process.cmdline()
        return False

    @property
    def admin_address(self) -> Address:
        """Where the running server is, and how its superuser logs in."""
        # https://www.postgresql.org/docs/current/storage-file-layout.html: the fourth line of
        # the pid file is the port, the sixth the address.
        lines = self.pid_file.read_text().splitlines()
        return Address(
            host=lines[5],
            port=int(lines[3]),
            user=ADMIN,
            password=self.password_file.read_text(),
            name="postgres",
            sslmode="disable",
        )

    @cached_property
    def _binaries(self) -> Path:
        """Programs of the version that made the data; the newest for a new cluster."""
        version_file = self.data / "PG_VERSION"
        made_by = int(version_file.read_text()) if version_file.exists() else None
        binaries = find_binaries(self.account, made_by)
        if made_by and major_version(binaries) != made_by:
            raise CommandError(
                f"The data in {self.folder} were made by Postgres {made_by}, and the programs in "
                f"{binaries} are version {major_version(binaries)}. Set PG_BIN to the folder of "
                f"version {made_by}'s programs; or dump the data with them, remove the folder, "
                "start again and load the dump."
            )
        return binaries

    def _make(self) -> None:
        """Make the cluster under another name first: one that is there is complete."""
        make_folder(self.folder, self.account, known=("admin-password", "data.new", "log"))
        create_file(self.password_file, secrets.token_urlsafe(32))
        scratch = self.folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        self.account.give(self.password_file, scratch)
        # The C locale sorts in the same way everywhere; from version 17 on it knows the
        # upper and lower case of all languages too.
        locale = ["--locale=C"]
        if major_version(self._binaries) >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        made = self._run(
            "initdb", "--pgdata", scratch, "--username", ADMIN, "--pwfile", self.password_file,
            "--auth=scram-sha-256", "--encoding=UTF8", *locale,
            *(["--no-sync"] if self.throwaway else []),
        )  # fmt: skip
        if made.returncode != 0:
            raise CommandError(f"Postgres's initdb failed: {made.stderr.strip()}")
        owners = (os.geteuid() if self.account.uid is None else self.account.uid,)
        with open_file(scratch / "postgresql.conf", owners=owners) as configuration:
            configuration.seek(0, os.SEEK_END)
            configuration.write(SETTINGS + (THROWAWAY_SETTINGS if self.throwaway else ""))
        scratch.rename(self.data)

    def _pg_ctl(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self._run("pg_ctl", "--pgdata", self.data, f"--timeout={PATIENCE}", *arguments)

    def _run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of Postgres's programs, as the server's account."""
        if set(str(self.folder)) & set('"$`\\'):  # pg_ctl hands the path to a shell
            raise CommandError(
                f"Postgres cannot run in {self.folder}: no quotation mark, dollar sign, backtick "
                "or backslash may be in its path."
            )
        environment = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
        return subprocess.run(
            [self._binaries / program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment | {"LC_ALL": "C"},  # any other may not exist on this machine
            user=self.account.uid,
            group=self.account.gid,
            extra_groups=self.account.extra_groups,
        )

    def _last_words(self) -> str:
        """The end of the server's log, which says why it is not running."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        said = (one_line(redacted_message(line), 500) for line in lines[-3:])
        return f"{' / '.join(said)} (the whole log: {self.log})"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str) -> int:
    """A port that no server listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
