"""Runs a pg_dump that fits the server, over TLS if that is set."""

import os
import re
import subprocess
from contextlib import nullcontext
from functools import cache
from pathlib import Path

from alembic.util import CommandError

from alembic_live.address import Address
from alembic_live.postgres.local.binaries import find_clients, version_of
from alembic_live.postgres.remedies import remedy
from alembic_live.postgres.tls_relay import Relay, relayed
from alembic_live.printable import one_line
from alembic_live.sql.redaction import redacted_message

TIMEOUT = 600  # seconds, for a dump

# libpq's variables for `Address.options`.
_VARIABLES = {
    "application_name": "PGAPPNAME",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "options": "PGOPTIONS",
}

# pg_dump refuses a server that is newer than itself.
_MISMATCH = re.compile(r"server version: (\d+)\S*; pg_dump version: (\d+)")


def dump(address: Address, *options: str) -> str:
    """The SQL of a schema.

    Args:
        address: the address of the database.
        options: further options of pg_dump.

    Raises:
        CommandError: pg_dump is not found or fails; the text says why.
    """
    programs = find_clients("pg_dump")
    if address.options.get("channel_binding") == "require":  # which a relay cannot do
        programs = [program for program in programs if _has_tls(program)]
        if not programs:
            raise CommandError(
                f"channel_binding is require in {address.origin}, and no pg_dump on this machine has "
                "TLS. Install Postgres's client programs, and set PG_BIN to their folder."
            )
    done = _run(programs[0], address, options)
    if mismatch := _MISMATCH.search(_said(done)):
        server, version = map(int, mismatch.groups())
        newer = [each for each in programs[1:] if version_of(each) >= server]
        if not newer:
            raise CommandError(
                f"The server is PostgreSQL {server}, and {programs[0]} is {version}, which cannot dump "
                f"it. Install the client programs of version {server} or newer, and set PG_BIN to "
                f"their folder, such as /usr/lib/postgresql/{server}/bin of the apt package "
                f"postgresql-client-{server}."
            )
        done = _run(newer[0], address, options)
    if done.returncode != 0:
        reason = redacted_message(_said(done).strip())
        raise CommandError(f"pg_dump failed: {one_line(' '.join(reason.split()))}")
    return done.stdout.decode()


def _run(
    program: Path, address: Address, options: tuple[str, ...]
) -> subprocess.CompletedProcess[bytes]:
    wants_tls = address.sslmode != "disable" and not address.socket_directory
    needs_relay = wants_tls and not _has_tls(program)
    password = address.current_password()
    variables = {
        "LC_MESSAGES": "C",
        "PGCONNECT_TIMEOUT": str(address.timeout),
        "PGTARGETSESSIONATTRS": address.role or "any",
        "PGDATABASE": address.name,  # an argument like `a=b` would be a connection string
        **({"PGPASSWORD": password} if password else {}),
        **{_VARIABLES[n]: value for n, value in address.options.items() if n in _VARIABLES},
    }
    with relayed(address) if needs_relay else nullcontext(Relay(address)) as relay:
        there = relay.address
        hosts, ports = zip(*there.hosts, strict=True)
        try:
            done = subprocess.run(
                [
                    program,
                    "--schema-only",
                    "--no-owner",
                    "--no-password",
                    "--encoding=UTF8",
                    *options,
                    f"--host={','.join(hosts)}",
                    f"--port={','.join(map(str, ports))}",
                    f"--username={there.user}",
                    *([f"--role={there.set_role}"] if there.set_role else []),
                ],
                check=False,
                capture_output=True,
                timeout=TIMEOUT,
                env=os.environ
                | variables
                | {f"PG{name.upper()}": value for name, value in there.tls.for_libpq.items()},
            )
        except subprocess.TimeoutExpired:
            raise CommandError(f"pg_dump did not finish within {TIMEOUT} s.") from None
    if done.returncode != 0 and relay.problems:
        reasons = one_line("; ".join(relay.problems))
        raise CommandError(
            f"pg_dump cannot connect to {address}: {reasons}. {remedy('tls', address.origin)}"
        )
    return done


@cache
def _has_tls(program: Path) -> bool:
    """Whether its libpq has TLS, which it says before it connects."""
    done = subprocess.run(
        [program, "--no-password", "--host=/nonexistent"],
        check=False,
        capture_output=True,
        env=os.environ | {"PGSSLMODE": "require", "LC_MESSAGES": "C"},
    )
    return "not compiled in" not in _said(done)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace")
