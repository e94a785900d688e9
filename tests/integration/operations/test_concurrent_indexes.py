"""Indexes that are built and dropped while the table is in use."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaigns import campaign
from edit import edit
from programs import program
from project import PATIENCE, Project, wait_until
from sample import NewProject
from server import Database

SCHEMAS = ["public", "sales"]


def with_indexes(new_project: NewProject, schema: str) -> Project:
    """A project with a table that gains a column and two indexes."""
    project = new_project(database_schema=schema)
    project.alembic("upgrade", "head")
    note = project.models / "note.py"
    edit(note, "String(200))", "String(200), index=True)")
    edit(
        note,
        "    body:",
        '    kind: Mapped[str] = mapped_column(Text, server_default="", index=True)\n    body:',
    )
    project.alembic("revision", "--autogenerate", "-m", "Kinds")
    return project


def revision(project: Project, name: str) -> str:
    return project.file(f"migrations/versions/*_{name}.py").read_text()


@campaign("schema", SCHEMAS, keep=["sales"])
def test_autogenerate_builds_them_apart_and_concurrently(
    new_project: NewProject, database: Database, schema: str
) -> None:
    project = with_indexes(new_project, schema)
    first, second = revision(project, "kinds"), revision(project, "kinds_constraints_and_indexes")
    assert "add_column" in first
    assert "index" not in first.split("def upgrade")[1]
    up, down = second.split("def downgrade")
    assert up.count(" create_index_concurrently(") == 2
    assert down.count(" drop_index_concurrently(") == 2
    for _ in range(2):
        project.alembic("upgrade", "head")
        assert validity(database) == {"ix_notes_kind": True, "ix_notes_title": True}
        project.alembic("check")
        project.alembic("downgrade", "-1")
        assert validity(database) == {}
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")


def test_indexes_alone_need_one_revision_and_those_of_new_tables_none(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    note = project.models / "note.py"
    source = note.read_text()
    project.write_model("later", source.replace("Note", "Later").replace("notes", "later"))
    project.alembic("revision", "--autogenerate", "-m", "A table")
    assert "concurrently" not in revision(project, "a_table")
    project.alembic("upgrade", "head")
    note.write_text(source.replace("String(200))", "String(200), unique=True, index=True)"))
    project.alembic("revision", "--autogenerate", "-m", "An index")
    assert "create_index_concurrently" in revision(project, "an_index")
    assert "unique=True" in revision(project, "an_index")
    project.alembic("upgrade", "head")
    project.alembic("check")


def test_a_partitioned_table_s_are_built_in_the_ordinary_way(
    new_project: NewProject, database: Database
) -> None:
    project = new_project()
    source = (
        "from sqlalchemy.orm import Mapped, mapped_column\n"
        "from ..base import Base\n"
        "class Event(Base):\n"
        '    __tablename__ = "events"\n'
        '    __table_args__ = {{"postgresql_partition_by": "RANGE (id)"}}\n'
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    kind: Mapped[str]{}\n"
    )
    project.write_model("event", source.format(""))
    project.alembic("upgrade", "head")
    project.alembic("revision", "--autogenerate", "-m", "Events")
    project.alembic("upgrade", "head")
    project.write_model("event", source.format(" = mapped_column(index=True)"))
    project.alembic("revision", "--autogenerate", "-m", "Kinds")
    assert "create_index_concurrently" not in revision(project, "kinds")
    project.alembic("upgrade", "head")
    project.alembic("check")


@campaign("schema", SCHEMAS, keep=["public"])
def test_a_build_that_was_killed_is_done_again(
    new_project: NewProject, database: Database, schema: str
) -> None:
    project = with_indexes(new_project, schema)
    project.alembic("upgrade", "+1")
    with writer(database, schema):
        building = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: validity(database) == {"ix_notes_kind": False})
        building.kill()
        building.communicate()
        wait_until(lambda: not building_at_work(database))
    assert validity(database) == {"ix_notes_kind": False}
    project.alembic("upgrade", "head")
    assert validity(database) == {"ix_notes_kind": True, "ix_notes_title": True}


def test_neither_build_nor_drop_is_cut_off_by_the_limit_on_locks(
    new_project: NewProject, database: Database
) -> None:
    project = with_indexes(new_project, "public").given(
        DB_MIGRATION_LOCK_WAIT="0.2", DB_MIGRATION_STATEMENT_TIMEOUT="0.2"
    )
    project.alembic("upgrade", "+1")
    for command in (("upgrade", "head"), ("downgrade", "-1")):
        with writer(database, "public"):
            running = project.begin("alembic", *command)
            wait_until(lambda: building_at_work(database))
            with database.connect() as connection:
                connection.execute("SELECT pg_sleep(1)")
        said, _ = running.communicate(timeout=PATIENCE)
        assert running.returncode == 0, said
    assert validity(database) == {}


def test_the_role_s_own_limits_do_not_cut_them_off(
    new_project: NewProject, database: Database
) -> None:
    project = with_indexes(new_project, "public")
    project.alembic("upgrade", "+1")
    with database.connect() as connection:
        for limit in ("lock_timeout", "statement_timeout"):
            connection.execute(f"ALTER DATABASE {database.name} SET {limit} = '200ms'".encode())
    with writer(database, "public"):
        running = project.begin("alembic", "upgrade", "head")
        wait_until(lambda: building_at_work(database))
        time.sleep(1)
    said, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, said


def test_an_index_that_is_another_is_not_taken_for_it(
    new_project: NewProject, database: Database
) -> None:
    project = with_indexes(new_project, "public")
    project.alembic("upgrade", "+1")
    database.query("CREATE INDEX ix_notes_kind ON notes (title)")
    text = " ".join(project.alembic("upgrade", "head", ok=False).stderr.split())
    assert "Table notes already has a different index ix_notes_kind: CREATE INDEX" in text
    database.query("DROP INDEX ix_notes_kind")
    database.query("CREATE INDEX ix_notes_kind ON notes (kind)")
    project.alembic("upgrade", "head")


def test_another_table_s_index_of_that_name_is_not_taken_for_it(
    new_project: NewProject, database: Database
) -> None:
    project = with_indexes(new_project, "public")
    database.query("CREATE TABLE others (kind int)")
    database.query("CREATE INDEX ix_notes_kind ON others (kind)")
    done = project.alembic("upgrade", "head", ok=False)
    assert done.returncode != 0
    assert "Table others already has an index ix_notes_kind." in " ".join(done.stderr.split())


@campaign("schema", SCHEMAS, keep=["sales"])
def test_sql_that_was_cut_off_ends_valid_too(
    new_project: NewProject, database: Database, schema: str, tmp_path: Path
) -> None:
    project = with_indexes(new_project, schema)
    project.alembic("upgrade", "+1")
    here = project.alembic("current").stdout.split()[0]
    (tmp_path / "up.sql").write_text(project.alembic("upgrade", f"{here}:head", "--sql").stdout)
    with writer(database, schema):
        running = psql(database, tmp_path / "up.sql")
        wait_until(lambda: validity(database) == {"ix_notes_kind": False})
        running.kill()
        running.communicate()
        database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%'"
        )
        wait_until(lambda: not building_at_work(database))
    assert validity(database) == {"ix_notes_kind": False}
    again = psql(database, tmp_path / "up.sql")
    said, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, said
    assert validity(database) == {"ix_notes_kind": True, "ix_notes_title": True}
    assert project.alembic("current").stdout.endswith("(head)\n")


def psql(database: Database, script: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            program("psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={script}",
            f"--host={database.host}", f"--port={database.port}",
            f"--username={database.user}", f"--dbname={database.name}",
        ],
        env={"PGPASSWORD": database.password},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def validity(database: Database) -> dict[str, bool]:
    """The new indexes of the notes, and whether each is valid."""
    rows = database.query(
        "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE c.relname IN ('ix_notes_kind', 'ix_notes_title')"
    )
    return dict(rows)


def building_at_work(database: Database) -> bool:
    statement = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
        " AND query ~ '(CREATE|DROP) INDEX CONCURRENTLY'"
    )
    return bool(database.query(statement, database.name))


@contextmanager
def writer(database: Database, schema: str) -> Iterator[None]:
    """A transaction that writes notes and does not end: builds wait for it."""
    with database.connect() as connection, connection.transaction():
        connection.execute(f"INSERT INTO {schema}.notes (title) VALUES ('open')".encode())
        yield
