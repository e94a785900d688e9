"""The schema that the project names is used, whatever search_path the role or the database has."""

from collections.abc import Iterator
from contextlib import contextmanager

from campaigns import campaign
from edit import edit
from project import Project, said
from psycopg import sql
from sample import NewProject
from server import Database

SCHEMAS = (
    "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname IN ('alembic_version', 'notes', 'by_hand') ORDER BY 1, 2"
)


def named(project: Project, schema: str = "public") -> Project:
    """The project, after its alembic.ini has named the schema, as the template's does."""
    edit(project.path / "alembic.ini", "env_file", f"default_schema = {schema}\nenv_file")
    return project


@contextmanager
def search_path(database: Database, path: str) -> Iterator[None]:
    """What an administrator sets, and corrects later."""
    alter = sql.SQL("ALTER DATABASE {} ").format(sql.Identifier(database.name))
    with database.connect() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS other")
        connection.execute(alter + sql.SQL("SET search_path = " + path))
        yield
        connection.execute(alter + sql.SQL("RESET search_path"))


@campaign("path", ["other, public", "other", "''", "nowhere"], keep=["other", "''"])
def test_tables_are_in_the_schema_that_is_named(
    new_project: NewProject, database: Database, path: str
) -> None:
    project = named(new_project()).given(DB_DRIVER_SYNC="psycopg" if path == "other" else "")
    with search_path(database, path):
        project.db("migrate")
        assert database.query(SCHEMAS) == [("public", "alembic_version"), ("public", "notes")]
        assert "nothing to do" in said(project.db("migrate"))
        project.alembic("check")
        project.db("drift")
        assert "(head)" in project.db("status").stdout
    assert "nothing to do" in said(project.db("migrate"))
    project.alembic("downgrade", "base")


def test_a_schema_that_is_named_is_created(new_project: NewProject, database: Database) -> None:
    project = named(new_project(), "sales")
    project.db("migrate")
    assert database.query(SCHEMAS) == [("sales", "alembic_version"), ("sales", "notes")]
    assert "nothing to do" in said(project.db("migrate"))
    assert 'may create tables in schema "sales"' in project.db("doctor", ok=False).stdout
    assert 'SCHEMA "sales"' in project.db("roles", "--application", "app", "--owner", "me").stdout
    project.db("drift")
    project.alembic("downgrade", "base")


def test_other_schemas_stay_on_the_path(new_project: NewProject, database: Database) -> None:
    project = named(new_project())
    with search_path(database, "other, pg_catalog"):
        database.query("CREATE FUNCTION other.one() RETURNS int LANGUAGE sql RETURN 1")
        edit(
            project.versions[0],
            "def upgrade() -> None:\n",
            'def upgrade() -> None:\n    op.execute("CREATE TABLE by_hand AS SELECT one()")\n',
        )
        project.alembic("upgrade", "head")
    assert ("public", "by_hand") in database.query(SCHEMAS)


def test_a_version_table_in_another_schema_stops_the_run(
    new_project: NewProject, database: Database
) -> None:
    """An earlier release followed the path; then somebody corrected it."""
    project = new_project()
    with search_path(database, "other"):
        project.alembic("upgrade", "head")
    before = database.query(SCHEMAS)
    assert before == [("other", "alembic_version"), ("other", "notes")]
    for is_empty in (False, True):
        if is_empty:  # as `db roles` creates it
            database.query("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)")
            before = database.query(SCHEMAS)
        for command in (("db", "migrate"), ("alembic", "upgrade", "head")):
            text = said(project.run(*command, ok=False))
            assert 'version table of this history is in schema "other", at 5f0e1c2d3a4b' in text
            assert 'ALTER TABLE "other"."alembic_version" SET SCHEMA "public"' in text
            assert database.query(SCHEMAS) == before
    # The ways out.
    database.query("DROP TABLE alembic_version")
    named(project, "other")
    assert "nothing to do" in said(project.db("migrate"))
    edit(project.path / "alembic.ini", "default_schema = other", "default_schema = public")
    assert "version table of this history" in said(project.db("migrate", ok=False))
    database.query("ALTER TABLE other.alembic_version SET SCHEMA public")
    database.query("ALTER TABLE other.notes SET SCHEMA public")
    assert "nothing to do" in said(project.db("migrate"))
    project.alembic("check")


def test_the_tables_are_not_split_over_two_schemas(
    new_project: NewProject, database: Database
) -> None:
    """The project names its schema only after the path has led its tables elsewhere."""
    project = new_project()
    with search_path(database, "other"):
        project.alembic("upgrade", "head")
        named(project)
        for _ in range(2):
            text = said(project.db("migrate", ok=False))
            assert 'version table of this history is in schema "other"' in text
            project.alembic("revision", "-m", "next")


def test_another_service_in_the_database_is_no_copy(
    new_project: NewProject, database: Database
) -> None:
    database.query("CREATE SCHEMA other")
    database.query("CREATE TABLE other.alembic_version (version_num text)")
    database.query("INSERT INTO other.alembic_version VALUES ('theirs')")
    named(new_project()).db("migrate")
    assert ("public", "notes") in database.query(SCHEMAS)


TENANT = """def configure(connection: Connection | None) -> None:
    if connection is not None:
        tenant = context.get_x_argument(as_dictionary=True)["tenant"]
        connection.exec_driver_sql(f"SET search_path = {tenant}")
        connection.commit()
        connection.dialect.default_schema_name = tenant
"""


def test_a_history_may_be_in_a_schema_for_each_tenant(
    new_project: NewProject, database: Database
) -> None:
    """https://alembic.sqlalchemy.org/en/latest/cookbook.html#rudimental-schema-level-multi-tenancy"""
    project = named(new_project())
    path = project.path / "migrations" / "env.py"
    lines = path.read_text()
    start = lines.index("def configure(")
    end = lines.index("    context.configure(")
    path.write_text(lines[:start] + TENANT + lines[end:])
    for tenant in ("one", "two"):
        database.query("CREATE SCHEMA " + tenant)
        project.alembic("-x", f"tenant={tenant}", "upgrade", "head")
    assert {schema for schema, _ in database.query(SCHEMAS)} == {"one", "two"}
