"""Constraint operations whose name is taken: an equal constraint is kept and validated, and any
other is reported and left alone.
"""

import pytest
from bench import Bench, add, drop_constraint
from definitions import CONSTRAINTS, Constraints

KEYS = "SELECT oid, pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conname = 'k'"


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
