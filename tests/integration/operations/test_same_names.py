"""An operation finds something of the wanted name: what it has made itself, or what somebody else
has made.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from campaigns import campaign
from project import PATIENCE, Project, said, wait_until
from sample import NewProject, write_sample
from server import Database

REVISION = '''"""What is tried"""

import sqlalchemy as sa
from alembic import op
from alembic_live import operations

revision: str = "tried"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    operations.{call}


def downgrade() -> None:
    pass
'''

# A column that was dropped: the numbers of the others are not those of a copy.
TABLES = """
    CREATE SCHEMA other;
    CREATE TABLE things (
        id int PRIMARY KEY, gone int, name text, kind varchar(20), "Odd Name" text, tags text[], "of" int
    );
    ALTER TABLE things DROP COLUMN gone;
    CREATE TABLE owners (id int PRIMARY KEY, other int UNIQUE);
    CREATE TABLE strangers (id int PRIMARY KEY);
    CREATE TABLE other.things (LIKE things);
"""


@dataclass
class Bench:
    """A project without revisions, and a database with tables, in which a call can be tried."""

    project: Project
    database: Database

    def upgrade(self, call: str, *, ok: bool = True) -> str:
        """Run a revision that calls an operation. Returns what was said, on one line."""
        path = self.project.path / "migrations" / "versions" / "tried.py"
        path.write_text(REVISION.format(package=self.project.package, call=call))
        self.database.query("DROP TABLE IF EXISTS alembic_version")
        done = self.project.alembic("upgrade", "head", ok=ok)
        assert ok or done.returncode != 0
        assert "Traceback" not in said(done)
        return " ".join(said(done).split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return write_sample(tmp_path_factory.mktemp("same_names") / "project", example=False)


@pytest.fixture
def bench(project: Project, database: Database) -> Bench:
    with database.connect() as connection:
        connection.execute(TABLES)
    # Two calls of one length in one second would be one to Python's cache.
    environment = database.environment | {"PYTHONDONTWRITEBYTECODE": "1"}
    return Bench(project.given(**environment), database)


class Names(NamedTuple):
    """An index that a revision wants, the same in other words, and others of that name."""

    wanted: str
    same: str
    others: tuple[str, ...]


INDEXES = {
    "columns": Names(
        '"things", ["name", "kind"]',
        "INDEX ix ON things (name, kind)",
        ("INDEX ix ON things (kind, name)", "INDEX ix ON things (name)"),
    ),
    "names": Names(
        '"things", ["Odd Name"]',
        'INDEX ix ON things ("Odd Name")',
        ('INDEX ix ON things ("of")', 'INDEX ix ON things (("of" + 1))'),
    ),
    "predicate": Names(
        """"things", ["name"], postgresql_where=sa.text("kind IN ('a')")""",
        "INDEX ix ON things (name) WHERE (kind = 'a')",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) WHERE (kind = 'b')"),
    ),
    "a predicate as a dump has it": Names(
        """"things", ["name"], postgresql_where=sa.text("kind IN ('a', 'b')")""",
        "INDEX ix ON things (name) WHERE kind::text = ANY (ARRAY['a'::varchar, 'b'::varchar]::text[])",
        ("INDEX ix ON things (name) WHERE (kind IN ('a', 'c'))",),
    ),
    "a name with its table": Names(
        """"things", ["name"], postgresql_where=sa.text("things.id > 1")""",
        "INDEX ix ON things (name) WHERE (id > 1)",
        ("INDEX ix ON things (name) WHERE (id > 2)",),
    ),
    "method": Names(
        '"things", ["tags"], postgresql_using="gin"',
        "INDEX ix ON things USING gin (tags array_ops)",
        ("INDEX ix ON things (tags)",),
    ),
    "operator class": Names(
        '"things", ["name"], postgresql_ops={"name": "text_pattern_ops"}',
        "INDEX ix ON things (name text_pattern_ops)",
        ("INDEX ix ON things (name)",),
    ),
    "order": Names(
        '"things", [sa.text("name DESC"), sa.column("kind").asc().nulls_first()]',
        "INDEX ix ON things (name DESC NULLS FIRST, kind NULLS FIRST)",
        (
            "INDEX ix ON things (name, kind NULLS FIRST)",
            "INDEX ix ON things (name DESC NULLS LAST, kind NULLS FIRST)",
        ),
    ),
    "included columns": Names(
        '"things", ["name"], postgresql_include=["kind"]',
        "INDEX ix ON things (name) INCLUDE (kind)",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) INCLUDE (tags)"),
    ),
    "uniqueness": Names(
        '"things", ["name"], unique=True',
        "UNIQUE INDEX ix ON things (name)",
        ("INDEX ix ON things (name)",),
    ),
    "no uniqueness": Names(
        '"things", ["name"]', "INDEX ix ON things (name)", ("UNIQUE INDEX ix ON things (name)",)
    ),
    "equal NULLs": Names(
        '"things", ["name"], unique=True, postgresql_nulls_not_distinct=True',
        "UNIQUE INDEX ix ON things (name) NULLS NOT DISTINCT",
        ("UNIQUE INDEX ix ON things (name)",),
    ),
    "collation": Names(
        """"things", [sa.text('name COLLATE "C"')]""",
        'INDEX ix ON things (name COLLATE "C")',
        ("INDEX ix ON things (name)", 'INDEX ix ON things (name COLLATE "POSIX")'),
    ),
    "expression": Names(
        '"things", [sa.text("lower(name)")]',
        "INDEX ix ON things (LOWER(name))",
        ("INDEX ix ON things (upper(name))", "INDEX ix ON things (name)"),
    ),
    "columns of a table": Names(
        """"things", [sa.table("things", sa.column("id"), sa.column("name")).c.name.desc()]""",
        "INDEX ix ON things (name DESC)",
        ("INDEX ix ON things (name)",),
    ),
    "columns of a Table": Names(
        '"things", [sa.Table("things", sa.MetaData(), sa.Column("name", sa.Text)).c.name.desc()]',
        "INDEX ix ON things (name DESC)",
        ("INDEX ix ON things (name)",),
    ),
    "storage parameters": Names(
        '"things", ["name"], postgresql_with={"fillfactor": 70}',
        "INDEX ix ON things (name) WITH (FILLFACTOR = 70)",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) WITH (fillfactor = 71)"),
    ),
    "a table in another schema": Names(
        '"things", ["name"], schema="other"',
        "INDEX ix ON other.things (name)",
        ("INDEX ix ON other.things (kind)",),
    ),
}


# One index for each part of a definition that is compared in a way of its own.
KEPT = [
    *("names", "a predicate as a dump has it", "operator class", "order", "included columns"),
    *("uniqueness", "equal NULLs", "expression", "a table in another schema"),
]

KEYS = "SELECT oid, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conname = 'k'"


class Constraints(NamedTuple):
    """A constraint that a revision wants, the same in other words, and others of that name."""

    call: str
    same: tuple[str, ...]
    others: tuple[str, ...]


FOREIGN_KEY = 'create_foreign_key_concurrently("k", "things", "owners", ["of"], ["id"]'
UNIQUE = 'create_unique_constraint_concurrently("k", "things", ["name", "kind"]'
CONSTRAINTS = {
    "check": Constraints(
        """create_check_constraint_concurrently("k", "things", "kind IN ('a', 'b:c')")""",
        (
            "CHECK (kind IN ('a', 'b:c'))",
            "CHECK (kind::text = ANY (ARRAY['a'::varchar, 'b:c'::varchar]::text[])) NOT VALID",
        ),
        (
            "CHECK (kind IN ('a', 'b'))",
            "CHECK (kind IN ('a')) NOT VALID",
            "CHECK (kind IN ('a', 'b:c')) NO INHERIT",
            "UNIQUE (kind)",
        ),
    ),
    "foreign key": Constraints(
        f"{FOREIGN_KEY})",
        (
            'FOREIGN KEY ("of") REFERENCES owners',
            'FOREIGN KEY ("of") REFERENCES public.owners (id) ON DELETE NO ACTION NOT VALID',
        ),
        (
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE',
            'FOREIGN KEY ("of") REFERENCES owners ON UPDATE CASCADE NOT VALID',
            'FOREIGN KEY ("of") REFERENCES owners (other)',
            'FOREIGN KEY ("of") REFERENCES strangers',
            "FOREIGN KEY (id) REFERENCES owners",
            'FOREIGN KEY ("of") REFERENCES owners DEFERRABLE',
            'CHECK ("of" > 0)',
        ),
    ),
    "foreign key with options": Constraints(
        f'{FOREIGN_KEY}, ondelete="CASCADE", deferrable=True, initially="DEFERRED")',
        ('FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED',),
        (
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE',
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED',
        ),
    ),
    "unique": Constraints(
        f"{UNIQUE})",
        ("UNIQUE (name, kind)",),
        (
            "UNIQUE (kind, name)",
            "UNIQUE (name)",
            "UNIQUE (name, kind) DEFERRABLE",
            "UNIQUE (name, kind) INCLUDE (id)",
            "UNIQUE (name, kind) WITH (fillfactor = 70)",
            "CHECK (name <> kind)",
        ),
    ),
    "unique with options": Constraints(
        f'{UNIQUE}, deferrable=True, initially="DEFERRED", postgresql_include=["tags"])',
        ("UNIQUE (name, kind) INCLUDE (tags) DEFERRABLE INITIALLY DEFERRED",),
        (
            "UNIQUE (name, kind) INCLUDE (tags) DEFERRABLE",
            "UNIQUE (name, kind) DEFERRABLE INITIALLY DEFERRED",
        ),
    ),
}


@campaign("names", INDEXES, keep=KEPT)
def test_an_index_is_kept_where_it_is_the_wanted_one_only(bench: Bench, names: Names) -> None:
    if "nulls_not_distinct" in names.wanted and version(bench.database) < 15:
        pytest.skip("this server does not know NULLS NOT DISTINCT")
    call = f'create_index_concurrently("ix", {names.wanted})'
    create(bench.database, names.same)
    before = indexes(bench.database)
    bench.upgrade(call)
    assert indexes(bench.database) == before
    for other in names.others:
        drop_indexes(bench.database)
        create(bench.database, other)
        before = indexes(bench.database)
        text = bench.upgrade(call, ok=False)
        assert "Table things already has a different index ix: CREATE " in text
        assert " This revision wants: CREATE " in text
        assert indexes(bench.database) == before
    # What a run has built itself, the next one keeps.
    drop_indexes(bench.database)
    bench.upgrade(call)
    before = indexes(bench.database)
    assert len(before) == 1
    bench.upgrade(call)
    assert indexes(bench.database) == before


def test_an_index_in_another_tablespace_is_another(bench: Bench, server: Database) -> None:
    if version(server) < 15:
        pytest.skip("this server makes no tablespace in its own folder")
    call = 'create_index_concurrently("ix", "things", ["name"], postgresql_tablespace="spare")'
    with server.connect() as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("DROP TABLESPACE IF EXISTS spare")
        connection.execute("CREATE TABLESPACE spare LOCATION ''")
    try:
        # Temporary tables, such as the copy, may have a place of their own.
        name = bench.database.name
        bench.database.query(f"ALTER DATABASE {name} SET temp_tablespaces = spare")
        create(bench.database, "INDEX ix ON things (name)")
        text = bench.upgrade(call, ok=False)
        assert (
            "This revision wants: CREATE INDEX ix ON things USING btree (name) TABLESPACE spare"
            in text
        )
        bench.upgrade('create_index_concurrently("ix", "things", ["name"])')
        drop_indexes(bench.database)
        bench.upgrade(call)
        before = indexes(bench.database)
        bench.upgrade(call)
        assert indexes(bench.database) == before
        drop_indexes(bench.database)
    finally:
        with server.connect() as connection:
            connection.execute("DROP TABLESPACE spare")


def test_a_constraint_s_index_is_no_plain_one(bench: Bench) -> None:
    bench.database.query("ALTER TABLE things ADD CONSTRAINT ix UNIQUE (name)")
    call = 'create_index_concurrently("ix", "things", ["name"], unique=True)'
    text = bench.upgrade(call, ok=False)
    assert (
        "CREATE UNIQUE INDEX ix ON things USING btree (name), which backs the constraint UNIQUE (name)"
        in text
    )


def test_a_name_that_is_no_index_s_is_said(bench: Bench) -> None:
    text = bench.upgrade('create_index_concurrently("owners", "things", ["name"])', ok=False)
    assert "Index owners was not built, because another object in the schema has that name" in text


def test_without_the_right_to_compare_it_says_which_one_is_missing(
    bench: Bench, server: Database
) -> None:
    role, name = f"poor_{os.getpid()}", bench.database.name
    create(bench.database, "INDEX ix ON things (name)")
    with bench.database.connect() as connection:
        for statement in (
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            f"CREATE ROLE {role} LOGIN PASSWORD 'p'",
            f"GRANT CONNECT ON DATABASE {name} TO {role}",
            f"GRANT ALL ON SCHEMA public TO {role}",
            f"ALTER TABLE things OWNER TO {role}",
        ):
            connection.execute(statement.encode())
    try:
        poor = Bench(bench.project.given(DB_USER=role, DB_PASSWORD="p"), bench.database)
        text = poor.upgrade('create_index_concurrently("ix", "things", ["name"])', ok=False)
        grant = f'GRANT TEMPORARY ON DATABASE "{name}" TO "{role}";'
        assert grant in text
        with bench.database.connect() as connection:
            connection.execute(grant.encode())
        poor.upgrade('create_index_concurrently("ix", "things", ["name"])')
    finally:
        with bench.database.connect() as connection:
            connection.execute(f"DROP OWNED BY {role} CASCADE".encode())
            connection.execute(f"DROP ROLE {role}".encode())


def test_only_the_named_table_s_index_is_dropped(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute("CREATE INDEX ix ON owners (other)")
        connection.execute("CREATE INDEX iy ON things (name)")
    text = bench.upgrade('drop_index_concurrently("ix", "things")', ok=False)
    assert "Index ix belongs to table owners, not to things, so it was not dropped" in text
    assert len(indexes(bench.database)) == 1
    bench.upgrade('drop_index_concurrently("iy", "things")')
    bench.upgrade('drop_index_concurrently("iy", "things")')
    assert bench.database.query("SELECT FROM pg_class WHERE relname = 'iy'") == []


def test_an_index_of_the_name_in_a_schema_before_is_left_alone(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute("CREATE INDEX ix ON other.things (name)")
        connection.execute("ALTER TABLE other.things RENAME TO elsewhere")
        connection.execute("SET search_path = other, public")
        path = f"ALTER DATABASE {bench.database.name} SET search_path = other, public"
        connection.execute(path.encode())
    before = indexes(bench.database)
    bench.upgrade('drop_index_concurrently("ix", "things")')
    assert indexes(bench.database) == before
    bench.upgrade('create_index_concurrently("ix", "things", ["name"])')
    assert len(indexes(bench.database)) == 2
    bench.upgrade('drop_index_concurrently("ix", "things")')
    assert indexes(bench.database) == before


@pytest.mark.parametrize("names", CONSTRAINTS.values(), ids=CONSTRAINTS)
def test_a_constraint_is_kept_where_it_is_the_wanted_one_only(
    bench: Bench, names: Constraints
) -> None:
    database = bench.database
    for same in names.same:
        add(database, same)
        [(oid, before, _)] = database.query(KEYS)
        bench.upgrade(names.call)
        assert database.query(KEYS) == [(oid, before.removesuffix(" NOT VALID"), True)]
        drop_constraint(database)
    for other in names.others:
        add(database, other)
        before = database.query(KEYS)
        text = bench.upgrade(names.call, ok=False)
        assert "Table things already has a different constraint k: " in text
        assert " This revision wants: " in text
        assert database.query(KEYS) == before
        drop_constraint(database)
    bench.upgrade(names.call)
    before = database.query(KEYS)
    assert len(before) == 1
    bench.upgrade(names.call)
    assert database.query(KEYS) == before


@pytest.mark.parametrize("kind", ["check", "foreign key"])
def test_a_constraint_that_was_there_before_stays_where_rows_violate_it(
    bench: Bench, kind: str
) -> None:
    names = CONSTRAINTS[kind]
    bench.database.query("INSERT INTO things (id, kind, \"of\") VALUES (1, 'z', 7)")
    add(bench.database, names.same[-1])
    before = bench.database.query(KEYS)
    assert "violates" in bench.upgrade(names.call, ok=False).replace("violated", "violates")
    assert bench.database.query(KEYS) == before
    drop_constraint(bench.database)
    assert "violates" in bench.upgrade(names.call, ok=False).replace("violated", "violates")
    assert bench.database.query(KEYS) == []  # what the run has added itself does not


def test_the_other_driver_compares_in_the_same_way(
    new_project: NewProject, database: Database
) -> None:
    project = new_project(example=False)
    with database.connect() as connection:
        connection.execute(TABLES)
    bench = Bench(project.given(DB_DRIVER_SYNC="psycopg", PYTHONDONTWRITEBYTECODE="1"), database)
    for name in ("predicate", "included columns"):
        index = INDEXES[name]
        call = f'create_index_concurrently("ix", {index.wanted})'
        for sql, ok in ((index.same, True), (index.others[0], False)):
            create(database, sql)
            text = bench.upgrade(call, ok=ok)
            assert ok or "Table things already has a different index ix: " in text
            drop_indexes(database)
    for kind in ("check", "foreign key", "unique"):
        constraint = CONSTRAINTS[kind]
        for sql, ok in ((constraint.same[0], True), (constraint.others[0], False)):
            add(database, sql)
            text = bench.upgrade(constraint.call, ok=ok)
            assert ok or "Table things already has a different constraint k: " in text
            drop_constraint(database)


CHECKS = (
    "SELECT conname, convalidated FROM pg_constraint"
    " WHERE contype = 'c' AND conrelid = 'things'::regclass"
)


def test_a_team_s_check_is_not_dropped_for_its_name(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute(
            "ALTER TABLE things ADD CONSTRAINT name_is_not_null CHECK (name IS NOT NULL AND name <> '')"
        )
    bench.upgrade('set_not_null_concurrently("things", "name")')
    assert bench.database.query(CHECKS) == [("name_is_not_null", True)]
    assert is_not_null(bench.database)
    bench.upgrade('set_not_null_concurrently("things", "name")')
    assert bench.database.query(CHECKS) == [("name_is_not_null", True)]


def test_a_team_s_check_stays_where_a_row_is_null(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute("INSERT INTO things (id) VALUES (1)")
        connection.execute(
            "ALTER TABLE things ADD CONSTRAINT name_is_not_null CHECK (name IS NOT NULL) NOT VALID"
        )
    text = bench.upgrade('set_not_null_concurrently("things", "name")', ok=False)
    assert "it is NULL in 1 row" in text
    assert bench.database.query(CHECKS) == [("name_is_not_null", False)]


# Before a command on the table, wait where its name is among the constraints already.
WAIT = """
    CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM pg_constraint WHERE conname LIKE 'set_not_null_concurrently_%'
                                               AND convalidated = {}) THEN
            PERFORM pg_sleep(600);
        END IF;
    END $$;
    CREATE EVENT TRIGGER wait ON ddl_command_start WHEN TAG IN ('ALTER TABLE')
        EXECUTE FUNCTION wait();
"""


@pytest.mark.parametrize("validated", ["false", "true"])
def test_not_null_that_was_cut_off_is_finished_and_leaves_no_check(
    bench: Bench, validated: str
) -> None:
    database = bench.database
    bench.upgrade("drop_not_null('things', 'name')")
    database.query("DROP TABLE alembic_version")
    path = bench.project.path / "migrations" / "versions" / "tried.py"
    call = 'set_not_null_concurrently("things", "name")'
    path.write_text(REVISION.format(package=bench.project.package, call=call))
    with database.connect() as connection:
        connection.execute(WAIT.format(validated).encode())
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    migrating = bench.project.begin("alembic", "upgrade", "head")
    wait_until(lambda: database.value(sleeping))
    migrating.kill()
    migrating.communicate(timeout=PATIENCE)
    wait_until(lambda: not database.value(sleeping))
    with database.connect() as connection:
        connection.execute("DROP EVENT TRIGGER wait")
    assert len(database.query(CHECKS)) == 1
    bench.upgrade(call)
    assert database.query(CHECKS) == []
    assert is_not_null(database)


def test_a_value_of_an_enum_that_stands_elsewhere_is_said(bench: Bench) -> None:
    bench.database.query("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    call = 'add_enum_value("mood", "calm", before="happy")'
    for _ in range(2):
        bench.upgrade(call)
    bench.database.query("ALTER TYPE mood ADD VALUE 'glad'")
    text = bench.upgrade('add_enum_value("mood", "glad", before="happy")', ok=False)
    assert "Enum mood already has the value glad, but after happy" in text
    bench.upgrade('add_enum_value("mood", "glad")')


def indexes(database: Database) -> list[tuple[object, ...]]:
    """Those of the tried name, by what they are and which they are."""
    return database.query(
        "SELECT oid, pg_get_indexdef(oid), reltablespace FROM pg_class WHERE relname = 'ix'"
    )


def version(database: Database) -> int:
    """The major version of the server."""
    return int(database.value("SHOW server_version_num")) // 10_000


def create(database: Database, what: str) -> None:
    """`CREATE …`."""
    with database.connect() as connection:
        connection.execute(f"CREATE {what}".encode())


def drop_indexes(database: Database) -> None:
    """Those of the tried name."""
    database.query("DROP INDEX IF EXISTS ix")
    database.query("DROP INDEX IF EXISTS other.ix")


def add(database: Database, constraint: str) -> None:
    """`ALTER TABLE … ADD CONSTRAINT …`."""
    with database.connect() as connection:
        connection.execute(f"ALTER TABLE things ADD CONSTRAINT k {constraint}".encode())


def drop_constraint(database: Database) -> None:
    """That of the tried name."""
    database.query("ALTER TABLE things DROP CONSTRAINT k")


def is_not_null(database: Database) -> bool:
    """Whether the name of a thing may not be NULL."""
    return bool(
        database.value(
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'things'::regclass"
            " AND attname = 'name'"
        )
    )
