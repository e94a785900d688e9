"""Behind PgBouncer: migrations go past it."""

from pathlib import Path

import pytest
from pgbouncer import TOLERANT, pooler
from project import Project, said
from server import Database


@pytest.fixture
def installed(service: Project) -> dict[str, Project]:
    """A project for each driver of an application."""
    return {"asyncpg": service, "psycopg": service.given(DB_DRIVER_ASYNC="psycopg")}


def test_migrations_ask_for_the_server_where_only_a_pooler_is_known(
    service: Project, database: Database
) -> None:
    project = service.given(DB_POOLER="transaction", **database.environment)
    for command in (("alembic", "upgrade", "head"), ("db", "status")):
        done = project.run(*command, ok=False)
        assert done.returncode != 0
        assert "Set DB_MIGRATION_HOST or DB_MIGRATION_PORT" in " ".join(said(done).split())
        assert "Traceback" not in said(done)


@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerant"])
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_migrations_refuse_a_pooler_in_transaction_mode(
    installed: dict[str, Project],
    pgbouncer: Path,
    database: Database,
    driver: str,
    tolerant: bool,
) -> None:
    settings = TOLERANT if tolerant else {}
    with pooler(pgbouncer, database, "transaction", **settings) as pooled:
        done = installed[driver].given(**pooled.environment).alembic("upgrade", "head", ok=False)
    text = " ".join(said(done).split())
    assert done.returncode != 0
    assert "pooler" in text
    assert "et DB_MIGRATION_HOST and DB_MIGRATION_PORT to the" in text
    assert "Traceback" not in text
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'notes'") == []


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_pooler_in_session_mode_will_do(
    installed: dict[str, Project], pgbouncer: Path, database: Database, driver: str
) -> None:
    with pooler(pgbouncer, database, "session", default_pool_size=1) as pooled:
        project = installed[driver].given(**pooled.environment)
        undecided = project.alembic("upgrade", "head", ok=False)
        assert "DB_POOLER=session" in " ".join(said(undecided).split())
        project = project.given(DB_POOLER="session")
        project.alembic("upgrade", "head")
        assert "(head)" in project.alembic("current").stdout


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_two_poolers_from_one_environment(
    installed: dict[str, Project], pgbouncer: Path, database: Database, driver: str
) -> None:
    with (
        pooler(pgbouncer, database, "transaction") as application,
        pooler(pgbouncer, database, "session", default_pool_size=1) as migrations,
    ):
        project = installed[driver].given(
            DB_POOLER="transaction",
            **application.environment,
            DB_MIGRATION_HOST=migrations.host,
            DB_MIGRATION_PORT=str(migrations.port),
        )
        undecided = project.alembic("upgrade", "head", ok=False)
        assert "DB_MIGRATION_POOLER=session if it serves migrations alone" in " ".join(
            said(undecided).split()
        )
        project = project.given(DB_MIGRATION_POOLER="session")
        project.db("migrate")
        assert "nothing to do" in said(project.db("migrate"))
        found = project.db("doctor").stdout
        assert "ok    pooler      in session mode, as configured" in found
        assert "WRONG" not in found


def test_a_pooler_that_is_said_to_be_in_session_mode_and_is_not(
    installed: dict[str, Project], pgbouncer: Path, database: Database
) -> None:
    settings = TOLERANT | {"server_round_robin": 1}
    with pooler(pgbouncer, database, "transaction", **settings) as pooled:
        with pooled.connect() as one, pooled.connect() as two, one.transaction():
            one.execute("SELECT 1")
            two.execute("SELECT 1")  # now the pool has two sessions
        project = installed["psycopg"].given(DB_POOLER="session", **pooled.environment)
        text = " ".join(said(project.alembic("upgrade", "head", ok=False)).split())
    assert "A pooler changed the session during the migration" in text
    assert "Traceback" not in text
