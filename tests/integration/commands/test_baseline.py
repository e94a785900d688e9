"""`db baseline`: Alembic for a database that has lived without it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edit import edit
from project import Project, said
from sample import NewProject
from server import Database

# A database that people made by hand, with what autogenerate cannot express.
LEGACY = """
CREATE TYPE mood AS ENUM ('sad', 'o''k', '50%');
CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- a comment: 50%; it's

    new.touched := now();
    RETURN new;
END $$;
CREATE TABLE customers (
    id bigserial PRIMARY KEY,
    email email NOT NULL UNIQUE,
    name varchar(80) NOT NULL CONSTRAINT named CHECK (name <> ''),
    mood mood DEFAULT 'sad',
    touched timestamptz,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', name)) STORED
);
COMMENT ON TABLE customers IS 'Who buys; a "quoted" word, 50%';
CREATE INDEX customers_search ON customers USING gin (search);
CREATE INDEX customers_lower ON customers (lower(name) DESC, id) WHERE mood IS NOT NULL;
CREATE TRIGGER touch BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE rooms (
    number int PRIMARY KEY,
    owner bigint REFERENCES customers ON DELETE SET NULL,
    during tstzrange,
    EXCLUDE USING gist (during WITH &&)
);
CREATE TABLE visits (at date NOT NULL, customer bigint REFERENCES customers) PARTITION BY RANGE (at);
CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX visits_at ON visits (at);
CREATE TABLE days (at date PRIMARY KEY) PARTITION BY RANGE (at);
CREATE TABLE days_2026 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE other (
    id int PRIMARY KEY,
    registry text DEFAULT ' :x' CONSTRAINT colons CHECK (registry <> ':z'),
    spot point,
    day date REFERENCES days,
    code int CONSTRAINT one UNIQUE NULLS NOT DISTINCT DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX other_registry ON other (registry text_pattern_ops);
CREATE VIEW happy AS SELECT id, name FROM customers WHERE mood = 'o''k';
CREATE MATERIALIZED VIEW counts AS SELECT mood, count(*) FROM customers GROUP BY mood;
CREATE SEQUENCE invoices START 1000;
CREATE STATISTICS customers_mood ON name, mood FROM customers;
ALTER TABLE rooms ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON rooms USING (owner IS NOT NULL);
INSERT INTO customers (email, name) SELECT n || '@example.com', 'c' || n FROM generate_series(1, 20000) n;
INSERT INTO visits SELECT '2026-05-05', 1 FROM generate_series(1, 20000);
REFRESH MATERIALIZED VIEW counts;
"""

AGAIN = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
TABLES = "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY)"

ODD_TYPE = """

import sqlalchemy as sa


class Odd(sa.TypeDecorator[str]):
    impl = sa.CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[str]:
        return dialect.type_descriptor(sa.CHAR(32))
"""

ODD = 'live "1" Ünï'


@pytest.fixture
def legacy(server: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A live database, without a version table."""
    with server.another(f"{ODD} {request.node.name[:25]}") as database:
        database.query(LEGACY)
        yield database


@pytest.fixture
def project(new_project: NewProject, legacy: Database) -> Project:
    """A project without models, whose settings lead there."""
    return new_project(example=False).given(**legacy.environment)


def write_models(project: Project) -> Path:
    """`db baseline --models`."""
    project.db("baseline", "--models")
    return project.models / "tables.py"


@pytest.mark.full
def test_a_schema_public_that_was_created_again_is_no_difference(
    project: Project, legacy: Database
) -> None:
    legacy.query(AGAIN + TABLES)
    write_models(project)
    done = project.db("baseline", "--yes")
    assert "creates 2 tables with Alembic's operations, and 0 objects with SQL" in done.stderr
    assert "does not drop" not in done.stderr
    project.db("drift")
    legacy.query(AGAIN)
    project.alembic("upgrade", "head")
    project.db("drift")


def test_a_table_that_is_written_as_another_one_is_left_to_sql(
    project: Project, legacy: Database
) -> None:
    """SQLAlchemy makes a VARCHAR of this CHAR with psycopg, and a revision says CHAR."""
    project = project.given(DB_DRIVER_SYNC="psycopg", DB_DRIVER_ASYNC="psycopg")
    legacy.query(AGAIN + TABLES + "; CREATE TABLE c (id serial PRIMARY KEY, key varchar(32))")
    path = write_models(project)
    edit(path, "String(32)", "Odd()")
    edit(path, "\n\nclass A(", ODD_TYPE + "\n\nclass A(")
    done = project.db("baseline", "--yes")
    assert "creates 2 tables with Alembic's operations" in done.stderr
    assert "1 table: c" in done.stderr
    project.db("drift")


def test_a_live_database_comes_under_alembic(
    project: Project, legacy: Database, server: Database
) -> None:
    write_models(project)
    done = project.db("baseline", "--yes")
    assert "It creates a database with the same dump as this one" in done.stderr
    assert "No new upgrade operations" in said(project.alembic("check"))
    assert "Running upgrade" not in said(project.alembic("upgrade", "head"))
    assert legacy.value("SELECT count(*) FROM customers") == 20000
    project.db("drift")
    source = project.versions[0].read_text()
    assert source.count("op.create_table(") >= 2
    assert "CREATE FUNCTION public.touch()" in source
    project.run("ruff", "check")
    project.run("ruff", "format", "--check")
    project.run("mypy")
    # A new database gets the same.
    with server.another("a new one") as new:
        elsewhere = project.given(**new.environment)
        elsewhere.alembic("upgrade", "head")
        elsewhere.db("drift")
        assert new.query("SELECT * FROM counts") == []
    project.run("pytest", "-q", "tests/test_migrations.py")


@pytest.mark.full
def test_models_that_differ_are_shown_and_nothing_is_done(
    project: Project, legacy: Database
) -> None:
    refused = project.db("baseline", "--yes", ok=False)
    assert "op.drop_table('customers')" in refused.stderr
    models = write_models(project)
    edit(models, "String(80)", "String(81)")
    refused = project.db("baseline", "--yes", ok=False)
    assert refused.returncode == 1
    assert "VARCHAR(length=80)" in refused.stderr
    assert "Traceback" not in said(refused)
    assert project.versions == []
    assert legacy.value("SELECT to_regclass('alembic_version') IS NULL")


def test_it_asks_and_does_nothing_without_a_word(project: Project, legacy: Database) -> None:
    write_models(project)
    refused = project.db("baseline", ok=False)
    assert "Add --yes" in refused.stderr
    assert project.versions == []
    assert not (project.path / "migrations" / "head.txt").exists()


def test_what_is_not_in_the_revision_is_listed(
    project: Project, legacy: Database, server: Database
) -> None:
    legacy.query("CREATE PUBLICATION changes FOR TABLE customers")
    legacy.query("GRANT SELECT ON customers TO pg_monitor")
    write_models(project)
    done = project.db("baseline", "--yes")
    assert "publication changes" in done.stderr
    assert "acl TABLE customers" in done.stderr
    project.db("drift")


@pytest.mark.full
def test_another_database_with_the_same_schema_is_only_marked(
    project: Project, legacy: Database, server: Database
) -> None:
    write_models(project)
    project.db("baseline", "--yes")
    with server.another("staging") as staging:
        staging.query(LEGACY)
        there = project.given(**staging.environment)
        stamped = there.db("baseline", "--yes").stderr
        assert "Stamped the database with revision" in stamped
        assert "No table was changed" in stamped
        assert "(head)" in there.alembic("current").stdout
        again = there.db("baseline", "--yes", ok=False)
        assert "already" in again.stderr
    with server.another("other") as other:
        other.query(LEGACY)
        other.query("ALTER TABLE customers DROP COLUMN touched")
        refused = project.given(**other.environment).db("baseline", "--yes", ok=False)
        assert "touched timestamp with time zone" in refused.stderr
        assert other.value("SELECT to_regclass('alembic_version') IS NULL")


@pytest.mark.full
def test_killed_when_the_file_is_written_it_is_finished_by_another_run(
    project: Project, legacy: Database
) -> None:
    write_models(project)
    process = project.begin("db", "baseline", "--yes")
    while process.poll() is None and not project.versions:
        pass
    process.kill()
    process.communicate()
    if legacy.value("SELECT to_regclass('alembic_version') IS NULL"):
        assert "Stamped the database" in project.db("baseline", "--yes").stderr
    assert "(head)" in project.alembic("current").stdout
    project.db("drift")


@pytest.mark.full
def test_with_a_schema_of_its_own_others_are_left_alone(
    new_project: NewProject, server: Database
) -> None:
    with server.another("live with schemas") as live:
        live.query("CREATE SCHEMA inventory; CREATE SCHEMA theirs")
        live.query("CREATE TABLE theirs.things (id int); CREATE TABLE public.others (id int)")
        live.query("CREATE TABLE inventory.parts (id bigserial PRIMARY KEY, name text NOT NULL)")
        live.query("CREATE VIEW inventory.named AS SELECT name FROM inventory.parts")
        project = new_project(example=False, database_schema="inventory").given(**live.environment)
        write_models(project)
        project.db("baseline", "--yes")
        source = project.versions[0].read_text()
        assert "theirs" not in source
        assert "others" not in source
        assert "No new upgrade operations" in said(project.alembic("check"))
        project.db("drift")
        project.run("pytest", "-q", "tests/test_migrations.py")


WITHOUT_SQLACODEGEN = """
import sys
from alembic_live.commands.main import main
sys.modules["sqlacodegen"] = None
sys.argv[1:] = ["baseline", "--models"]
main()
"""


def test_without_the_tool_that_writes_models_it_says_how_to_get_it(project: Project) -> None:
    refused = project.run("python", "-c", WITHOUT_SQLACODEGEN, ok=False)
    assert "uv run --with sqlacodegen db baseline --models" in refused.stderr


@pytest.mark.full
def test_with_the_sync_driver(new_project: NewProject, legacy: Database) -> None:
    project = new_project(example=False).given(**legacy.environment, DB_DRIVER_SYNC="psycopg")
    write_models(project)
    project.db("baseline", "--yes")
    project.db("drift")
