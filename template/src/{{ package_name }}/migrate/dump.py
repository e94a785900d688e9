"""The schema of a database as SQL, from Postgres's own pg_dump: it sees what Alembic does not."""

import os
import subprocess

from alembic.util import CommandError

from ..database.address import Address
from ..database.schema import SCHEMA
from .local.binaries import find_binaries


def dump_schema(address: Address) -> str:
    """Every object of the database but the version table, as SQL in a stable order.

    Raises:
        CommandError: pg_dump is not found or fails; the text says why.
    """
    dumped = subprocess.run(
        [
            find_binaries() / "pg_dump",
            "--schema-only",
            f"--exclude-table={SCHEMA or 'public'}.alembic_version",
            f"--host={address.host}",
            f"--port={address.port}",
            f"--username={address.user}",
            f"--dbname={address.name}",
        ],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PGPASSWORD": address.password,
            "PGSSLMODE": address.sslmode,
            "PGSSLROOTCERT": address.sslrootcert,
        },
    )
    if dumped.returncode != 0:
        raise CommandError(f"pg_dump failed: {dumped.stderr.strip()}")
    return "\n".join(line for line in dumped.stdout.splitlines() if _says_something(line))


def _says_something(line: str) -> bool:
    """Whether the line is SQL. Comments and psql's \\restrict, with its random key, are not."""
    return bool(line) and not line.startswith(("--", "\\"))
