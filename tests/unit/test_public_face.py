"""`import alembic_live`: what it offers, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import alembic_live
import pytest


def in_a_new_process(program: str) -> str:
    """What a program prints, with every warning as an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", alembic_live.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found: Any = getattr(alembic_live, name)
    documented = found.__doc__ or ""
    assert len(documented.split()) > 3
    assert not documented.startswith(f"{name}(")  # what dataclasses write
    assert found.__module__.startswith("alembic_live.")


def test_the_public_names_are_sorted_and_listed() -> None:
    assert alembic_live.__all__ == sorted(alembic_live.__all__)
    assert dir(alembic_live) == alembic_live.__all__


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(alembic_live.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("alembic_live.")
        for alias in node.names
    }
    assert seen == set(alembic_live.__all__) == set(alembic_live._MODULES)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = alembic_live.nothing


HEAVY = ("sqlalchemy", "alembic", "asyncpg", "psycopg", "pydantic", "pytest")


def test_importing_the_library_imports_nothing_else() -> None:
    program = f"import alembic_live, sys; print([m for m in {HEAVY} if m in sys.modules])"
    assert in_a_new_process(program) == "[]\n"


def test_what_a_service_declares_needs_neither_the_orm_nor_a_driver() -> None:
    program = (
        "from alembic_live import DatabaseSettings, Project\n"
        "from sqlalchemy import MetaData\n"
        "import sys\n"
        "Project(settings=DatabaseSettings.load(), metadata=MetaData(), models='m')\n"
        "print([m for m in ('sqlalchemy.orm', 'asyncpg', 'psycopg', 'alembic', 'pytest')"
        " if m in sys.modules])\n"
    )
    assert in_a_new_process(program) == "[]\n"
