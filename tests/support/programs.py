"""Postgres's own programs."""

import re
import subprocess
from pathlib import Path

from alembic_live.postgres.local.binaries import find_binaries
from project import clean_environment
from server import Database


def program(name: str) -> Path:
    """One of Postgres's."""
    return find_binaries() / name


def run_program(database: Database, name: str, *options: str) -> str:
    """What a program says of a database."""
    done = subprocess.run(
        [program(name), f"--host={database.host}", f"--port={database.port}",
         f"--username={database.user}", f"--dbname={database.name}", *options],
        check=False, capture_output=True,
        env=clean_environment() | {"PGPASSWORD": database.password},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def dumped(database: Database) -> str:
    """The schema of a database, as pg_dump writes it."""
    options = ("--schema-only", "--no-owner", "--exclude-table=*.alembic_version")
    dump = run_program(database, "pg_dump", *options)
    return re.sub(r"^\\(un)?restrict .*$", "", dump, flags=re.MULTILINE)


def psql(database: Database, script: str, folder: Path, *options: str) -> str:
    """What psql says of a script, after a look that it did nothing else than run SQL: the folder is
    empty, and stays so.
    """
    done = subprocess.run(
        [program("psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", "--tuples-only",
         "--no-align", *options],
        input=script, check=False, capture_output=True, text=True, cwd=folder,
        env=clean_environment() | {
            "PGHOST": database.host, "PGPORT": str(database.port), "PGUSER": database.user,
            "PGPASSWORD": database.password, "PGDATABASE": database.name,
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout
