"""`db plan --calibrate` measures generated rows of the shape of each table."""

import json

import pytest
from alembic_live.commands.plan.estimates import calibration
from alembic_live.commands.plan.estimates.calibration import calibrate
from alembic_live.commands.plan.estimates.estimates import DEFAULT, Throughput
from alembic_live.commands.plan.estimates.generated_rows import GeneratedTable, copy_table
from alembic_live.commands.plan.estimates.sizes import TableSize
from alembic_live.commands.plan.rehearsal.effects import RelationName, Work, WorkKind
from alembic_live.postgres.connection import make_engine, with_connection
from revisions import revise
from sample import NewProject
from server import Database

TABLES = """
    CREATE TYPE mood AS ENUM ('sad', 'happy');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN short AS text CHECK (length(value) = 3);
    CREATE TABLE "every type" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, small smallint NOT NULL, n int UNIQUE,
        price numeric(4, 2), ratio real, flag bool, code char(2), name varchar(5) NOT NULL,
        note text, data bytea, day date, at timestamptz, local timestamp, key uuid, doc jsonb,
        old json, how mood NOT NULL, pairs pair, word short NOT NULL, tags text[], span int4range,
        place point, net inet, twice int GENERATED ALWAYS AS (n * 2) STORED, CHECK (price < 5),
        EXCLUDE USING gist (span WITH &&), "odd ""%(n)d" text
    );
    CREATE INDEX ON "every type" USING gin (doc);
    CREATE TABLE parts (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE one PARTITION OF parts DEFAULT;
    CREATE MATERIALIZED VIEW seen AS SELECT n, note FROM "every type";
"""
EVERY, PARTS, SEEN = (RelationName("public", name) for name in ("every type", "parts", "seen"))
LARGE = TableSize(1_000_000, 300_000_000, 100_000_000)


@pytest.fixture(autouse=True)
def _few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "FIRST", 500)
    monkeypatch.setattr(calibration, "MOST", 500)


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with tables of odd shapes."""
    with database.connect() as connection:
        connection.execute(TABLES)
    return database


def calibrated(database: Database, sizes: dict[RelationName, TableSize]) -> Throughput:
    """What is measured for these tables."""
    engine = make_engine(database.address("psycopg"))
    return with_connection(engine, lambda connection: calibrate(connection, [*sizes], sizes))


@pytest.mark.parametrize("table", [EVERY, PARTS, SEEN], ids=lambda name: name.name)
def test_each_kind_of_work_is_measured(
    filled: Database, table: RelationName, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {table: LARGE}
    found = calibrated(filled, sizes)
    assert capsys.readouterr().err == ""
    assert found.tables[table].keys() == {*WorkKind}
    for kind in WorkKind:
        seconds = found.seconds(Work(kind, table), sizes)
        assert seconds
        assert 0 < seconds.low < seconds.high


def test_nothing_is_left_and_the_tables_stay_empty(filled: Database) -> None:
    calibrated(filled, {EVERY: LARGE, PARTS: LARGE})
    query = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'alembic_live%'"
    assert filled.value(query) == 0
    assert filled.value('SELECT count(*) FROM "every type"') == 0
    assert filled.value("SELECT count(*) FROM parts") == 0


def test_each_column_gets_values_of_the_live_width(filled: Database) -> None:
    def fill(table: GeneratedTable, database: Database) -> None:
        engine = make_engine(database.address("psycopg"))
        with_connection(engine, lambda connection: table.insert(connection, 1, 1000))

    filled.query("CREATE SCHEMA copies")
    engine = make_engine(filled.address("psycopg"))
    table = with_connection(engine, lambda c: copy_table(c, EVERY, "copies", 1000))
    assert table.missing == []
    assert len(table.sortable) == len(set(table.sortable)) > 10
    filled.query('ALTER TABLE copies."every type" DROP CONSTRAINT "every type_span_excl"')
    fill(table, filled)
    assert filled.value('SELECT count(*) FROM copies."every type"') == 1000
    width = filled.value('SELECT avg(pg_column_size(t)) FROM copies."every type" t')
    assert 700 < width < 1300


def test_a_small_table_is_not_measured(filled: Database) -> None:
    small = TableSize(100, 8192, 8192)
    assert calibrated(filled, {EVERY: small, PARTS: TableSize(None, 0, 0)}).tables == {}


def test_a_table_that_cannot_be_measured_keeps_the_default(
    filled: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = RelationName("public", "gone")
    sizes = {gone: LARGE}
    found = calibrated(filled, sizes)
    assert 'gone keeps the default rates, because relation "public.gone"' in capsys.readouterr().err
    work = Work(WorkKind.REWRITES, gone)
    assert found.seconds(work, sizes) == DEFAULT.seconds(work, sizes)


def test_a_slow_table_is_given_up(
    filled: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with filled.connect() as connection:
        connection.execute("""
            CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql
                AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN n; END $$;
            CREATE TABLE slow (n int);
            CREATE INDEX ON slow (slow(n))
        """)
    monkeypatch.setattr(calibration, "TIMEOUT", "1s")
    found = calibrated(filled, {RelationName("public", "slow"): LARGE, EVERY: LARGE})
    assert "public.slow keeps the default rates, because canceling" in capsys.readouterr().err
    assert found.tables.keys() == {EVERY}


def test_a_plan_is_calibrated(new_project: NewProject, database: Database) -> None:
    project = new_project()
    project.alembic("upgrade", "head")
    database.query("INSERT INTO notes (title, body) SELECT n, n FROM generate_series(1, 10000) n")
    database.query("ANALYZE notes")
    revise(project, "r1", 'op.execute("CREATE INDEX made ON notes (title)")')

    def seconds(*options: str) -> object:
        done = project.db("plan", "--json", *options)
        [step] = json.loads(done.stdout)["steps"]
        return step["locks"][0]["seconds"]

    assert seconds("--calibrate") != seconds()
    assert database.value("SELECT count(*) FROM notes") == 10_000
    assert database.value("SELECT count(*) FROM pg_database WHERE datname LIKE '%scratch%'") == 0
