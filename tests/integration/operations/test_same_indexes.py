"""Index operations whose name is taken: an equal index is kept, and anything else is reported and
left alone.
"""

import os

import pytest
from bench import Bench, create, drop_indexes
from campaigns import campaign
from definitions import INDEXES, Names
from server import Database

# One index for each part of a definition that is compared in a way of its own.
KEPT = [
    *("names", "a predicate as a dump has it", "operator class", "order", "included columns"),
    *("uniqueness", "equal NULLs", "expression", "a table in another schema"),
]


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


def indexes(database: Database) -> list[tuple[object, ...]]:
    """Those of the tried name, by what they are and which they are."""
    return database.query(
        "SELECT oid, pg_get_indexdef(oid), reltablespace FROM pg_class WHERE relname = 'ix'"
    )


def version(database: Database) -> int:
    """The major version of the server."""
    return int(database.value("SHOW server_version_num")) // 10_000
