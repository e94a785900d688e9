"""What the gates do with a schema that is hard to fill, and with models that Postgres refuses."""

import pytest
from alembic_live.errors import ConfigurationError
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.testing.agreement import schema_differences
from alembic_live.testing.populate import Population
from in_process import InProcess
from server import Database
from sqlalchemy import Column, Connection, Integer, Table, text
from sqlalchemy.dialects.postgresql import ENUM


def test_tables_with_a_cycle_are_filled_after_those_that_they_reference(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    database.query("CREATE TABLE b (id int PRIMARY KEY, c_id int)")
    database.query("CREATE TABLE c (id int PRIMARY KEY, b_id int NOT NULL REFERENCES b)")
    database.query("ALTER TABLE b ADD FOREIGN KEY (c_id) REFERENCES c")
    database.query("CREATE TABLE a (id int PRIMARY KEY, c_id int NOT NULL REFERENCES c)")

    def grow(connection: Connection) -> int:
        population = Population(project, connection)
        assert population.grow() == []
        return population.number

    attempts = with_connection(make_engine(database.address()), grow)
    assert attempts < 20
    assert database.value("SELECT count(*) FROM a JOIN c ON c.id = c_id JOIN b ON b.id = b_id") == 2


def test_a_table_that_needs_a_row_of_an_empty_table_is_named(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    database.query("CREATE TABLE a (id int PRIMARY KEY) PARTITION BY LIST (id)")
    database.query("CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a)")

    def grow(connection: Connection) -> list[str]:
        return Population(project, connection).grow()

    problems = with_connection(make_engine(database.address()), grow)
    assert "table b: column a_id is NOT NULL and references a, which has no rows" in problems[0]


def test_values_are_asked_for_only_if_they_help(in_process: InProcess, database: Database) -> None:
    project = in_process()
    database.query("CREATE TABLE a (id int PRIMARY KEY CHECK (id % 7919 = 17 AND id > 8000))")
    database.query("CREATE TABLE b (id int PRIMARY KEY)")
    database.query(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM gone; END $$"
    )
    database.query("CREATE TRIGGER x BEFORE INSERT ON b FOR EACH ROW EXECUTE FUNCTION f()")

    def grow(connection: Connection) -> list[str]:
        return Population(project, connection).grow()

    a, b = with_connection(make_engine(database.address()), grow)
    assert "a section [a] with a list of strings for each column" in a
    assert 'relation "gone" does not exist' in b
    assert "values.toml" not in b


def test_models_that_cannot_be_created_fail_with_a_sentence(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    Table(
        "broken",
        project.metadatas[0],
        Column("id", Integer, server_default=text("no_such_function()")),
    )
    with pytest.raises(AssertionError, match=r"cannot create their tables: .*no_such_function"):
        schema_differences(project, database.address())


def test_a_type_that_the_models_do_not_create_stays(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    database.query("CREATE TYPE given AS ENUM ('open')")
    database.query("CREATE TABLE uses (id int, state given)")
    state = ENUM("open", name="given", create_type=False)
    Table("uses", project.metadatas[0], Column("id", Integer), Column("state", state))
    found = schema_differences(project, database.address())
    assert [line for line in found if "uses" in line] == []


def test_a_difference_is_allowed_with_a_reason_until_it_is_gone(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    Table("odd", project.metadatas[0], Column("id", Integer))
    database.query("CREATE UNLOGGED TABLE odd (id int)")
    path = project.head_file.parent / "exceptions.toml"

    def found() -> list[str]:
        with database.another(f"{database.name}_models", database.name) as copy:
            return [line for line in schema_differences(project, copy.address()) if "odd" in line]

    assert "UNLOGGED" in found()[0]
    path.write_text('[models]\n"table odd" = "it is a cache"\n')
    assert found() == []
    database.query("ALTER TABLE odd SET LOGGED")
    assert "'table odd' in [models] of migrations/exceptions.toml matches no" in found()[0]
    for wrong, message in (
        ('[models]\n"table odd" = ""\n', "'table odd' in .models. has no reason"),
        ('[moddels]\n"table odd" = "x"\n', "'moddels', which is no check"),
        ("[models\n", "exceptions.toml is not TOML"),
    ):
        path.write_text(wrong)
        with pytest.raises(ConfigurationError, match=message):
            found()


def test_tables_of_extensions_stay_and_are_referenced_on_the_search_path(
    in_process: InProcess, database: Database
) -> None:
    project = in_process()
    database.query("CREATE SCHEMA topology")
    database.query("CREATE TABLE topology.systems (id int PRIMARY KEY)")
    database.query("CREATE TABLE references_ (id int PRIMARY KEY)")
    database.query("ALTER EXTENSION plpgsql ADD TABLE topology.systems")
    database.query("ALTER EXTENSION plpgsql ADD TABLE references_")
    database.query("INSERT INTO topology.systems VALUES (4326)")
    database.query("CREATE TABLE places (id int PRIMARY KEY REFERENCES topology.systems)")
    with database.connect() as connection:
        connection.execute(f'ALTER DATABASE "{database.name}" SET search_path = public, topology')
    Table("references_", project.metadatas[0], Column("id", Integer, primary_key=True))

    def grow(connection: Connection) -> list[str]:
        return Population(project, connection).grow()

    assert with_connection(make_engine(database.address()), grow) == []
    assert database.value("SELECT id FROM places") == 4326
    found = schema_differences(project, database.address())
    assert [line for line in found if "references_" in line] == []
