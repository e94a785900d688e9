"""With psycopg as the driver of migrations, operations compare definitions in the same way."""

from bench import TABLES, Bench, add, create, drop_constraint, drop_indexes
from definitions import CONSTRAINTS, INDEXES
from sample import NewProject
from server import Database


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
