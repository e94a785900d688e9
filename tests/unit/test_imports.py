"""What is imported when: every start of a container waits for it."""

import subprocess
import sys

import pytest

ORM_AND_DRIVERS = {
    *("alembic", "sqlalchemy", "pydantic", "pydantic_settings"),
    *("asyncpg", "psycopg", "psycopg2", "dotenv", "pytest", "postgast"),
}

PROGRAMS = {
    "the library": ("import alembic_live", ORM_AND_DRIVERS),
    "db, before it knows the command": ("import alembic_live.commands.main", ORM_AND_DRIVERS),
    "db --help": (
        "from alembic_live.commands.main import run\nassert run([]) == 2",
        ORM_AND_DRIVERS,
    ),
    "db migrate, before it looks": ("import alembic_live.commands.migrate", ORM_AND_DRIVERS),
    "what asks by asyncpg": (
        "from alembic_live.address import Address\n"
        "from alembic_live.runtime.fast_path import _rows\n"
        "try:\n    _rows(Address('127.0.0.1', 1, 'u', 'p', 'd'), 'SELECT 1')\n"
        "except OSError:\n    pass\n"
        "else:\n    raise SystemExit('there is a server')",
        ORM_AND_DRIVERS - {"asyncpg"},
    ),
}


@pytest.mark.parametrize(("program", "unwanted"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_it_imports_no_more_than_it_needs(program: str, unwanted: set[str]) -> None:
    shown = "import sys\nprint('\\n', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{program}\n{shown}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert not unwanted & set(done.stdout.split())


def test_every_public_name_can_be_imported() -> None:
    program = "import alembic_live as a\nfor name in a.__all__: getattr(a, name)"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
