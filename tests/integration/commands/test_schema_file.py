"""`db schema`: schema.sql is what the migrations make, and psql can load it."""

from pathlib import Path

import pytest
from campaigns import campaign
from everything import write_everything
from programs import dumped, run_program
from project import Project, said
from revisions import write_revision
from sample import NewProject
from server import Database


@pytest.fixture
def project(new_project: NewProject) -> Project:
    project = new_project()
    write_everything(project)
    return project


def schema_file(project: Project) -> Path:
    return project.path / "schema.sql"


@campaign("schema", ["public", "sales"], keep=["sales"])
def test_psql_makes_of_it_what_the_migrations_make(
    new_project: NewProject, server: Database, database: Database, schema: str
) -> None:
    project = new_project(database_schema=schema)
    write_everything(project, schema)
    project.db("schema")
    project.alembic("upgrade", "head")
    with server.another(f"{database.name[-30:]} loaded") as loaded:
        options = ("--no-psqlrc", "--set=ON_ERROR_STOP=1", "--quiet", "--single-transaction")
        run_program(loaded, "psql", *options, f"--file={schema_file(project)}")
        assert dumped(loaded) == dumped(database)


def test_it_is_the_same_each_time_and_has_no_noise(project: Project) -> None:
    done = project.db("schema")
    assert done.stdout == ""
    assert "Wrote schema.sql" in done.stderr
    sql = schema_file(project).read_text()
    written = schema_file(project).stat().st_mtime_ns
    assert "schema.sql is up to date" in project.db("schema").stderr
    assert schema_file(project).stat().st_mtime_ns == written
    schema_file(project).unlink()
    project.db("schema")
    assert schema_file(project).read_text() == sql
    for noise in ("Owner", "alembic_version", "statement_timeout", "restrict", "Dumped", "GRANT"):
        assert noise not in sql
    assert sql.startswith("-- The schema at revision ")
    assert "    -- What is touched, is new.\n\n    NEW.at = now();\n\n    -- Done.\n" in sql
    assert sql.endswith(";\n")
    assert "\n\n\n" not in sql.replace("comment;\n\n-- at all", "")


def test_it_shows_what_a_revision_changes(project: Project) -> None:
    project.db("schema")
    before = schema_file(project).read_text().splitlines()
    write_revision(project, "more", "ALTER TABLE notes ADD more int", "ALTER TABLE notes DROP more")
    project.db("schema")
    changed = set(schema_file(project).read_text().splitlines()) ^ set(before)
    assert all("more" in line or "created_at" in line or "-- The" in line for line in changed)


def test_that_of_an_older_revision_is_printed(project: Project) -> None:
    done = project.db("schema", "5f0e")
    assert "CREATE TABLE public.notes" in done.stdout
    assert "parts" not in done.stdout
    assert done.stdout.startswith("-- The schema at revision 5f0e1c2d3a4b")
    assert not schema_file(project).exists()
    assert "Can't locate revision" in said(project.db("schema", "nothing", ok=False))


def test_it_can_be_looked_at_without_being_written(project: Project) -> None:
    missing = project.db("schema", "--check", ok=False)
    assert missing.returncode == 1
    assert "Write it: uv run db schema" in missing.stderr
    assert not schema_file(project).exists()
    project.db("schema")
    assert project.db("schema", "--check").returncode == 0
    write_revision(project, "more", "CREATE TABLE more ()", "DROP TABLE more")
    before = schema_file(project).read_text()
    assert project.db("schema", "--check", ok=False).returncode == 1
    assert schema_file(project).read_text() == before


def test_the_project_s_tests_pass_with_a_current_one_and_without(new_project: NewProject) -> None:
    project = new_project()
    gate = ("pytest", "tests/test_migrations.py", "-k", "schema_file")
    assert "1 passed" in project.run(*gate).stdout
    project.db("schema")
    assert "1 passed" in project.run(*gate).stdout
    schema_file(project).write_text(schema_file(project).read_text() + "\n")
    assert "schema.sql is not up to date" in project.run(*gate, ok=False).stdout


def test_an_empty_history_has_an_empty_schema(new_project: NewProject) -> None:
    project = new_project(example=False)
    project.db("schema")
    assert project.db("schema", "--check").returncode == 0
    assert schema_file(project).read_text().startswith("-- The schema at revision none")


def test_several_heads_are_all_in_it(project: Project) -> None:
    write_revision(project, "one", "CREATE TABLE one ()", "DROP TABLE one")
    options = ("--head=5f0e1c2d3a4b", "--splice")
    write_revision(project, "two", "CREATE TABLE two ()", "DROP TABLE two", *options)
    project.db("schema")
    assert {"CREATE TABLE public.one (", "CREATE TABLE public.two ("} < set(
        schema_file(project).read_text().splitlines()
    )
