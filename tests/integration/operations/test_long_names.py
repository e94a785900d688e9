"""Names over 63 bytes: an operation finds what it created, and what SQL by hand created."""

import pytest
from bench import Bench

LONG = "a_name_with_more_characters_than_postgres_keeps_of_it_which_are_63_bytes"
WIDE = "ä" * 40  # fewer characters than that, and more bytes
COUNT = (
    "SELECT (SELECT count(*) FROM pg_constraint WHERE conname ~ '^(a_name|ä)')"
    " + (SELECT count(*) FROM pg_class WHERE relname ~ '^(a_name|ä)')"
)
CALLS = {
    "index": ('create_index_concurrently("{}", "things", ["name"])', "drop_index_concurrently", 1),
    "unique": ('create_unique_constraint_concurrently("{}", "things", ["name"])', "", 2),
    "check": ('create_check_constraint_concurrently("{}", "things", "id > 0")', "", 1),
    "foreign key": (
        'create_foreign_key_concurrently("{}", "things", "owners", ["id"], ["id"])',
        "",
        1,
    ),
}


@pytest.mark.parametrize("name", [LONG, WIDE], ids=["characters", "bytes"])
def test_a_long_name_is_created_kept_and_dropped(bench: Bench, name: str) -> None:
    for call, drop, objects in CALLS.values():
        for _ in range(2):
            bench.upgrade(call.format(name))
            assert bench.database.value(COUNT) == objects
        bench.upgrade(f'{drop or "drop_constraint_if_exists"}("{name}", "things")')
        assert bench.database.value(COUNT) == 0


def test_a_long_name_that_postgres_cut_is_dropped(bench: Bench) -> None:
    with bench.database.connect() as connection:
        connection.execute(f"ALTER TABLE things ADD CONSTRAINT {LONG} CHECK (id > 0)".encode())
        connection.execute(f"CREATE INDEX {LONG}_ix ON things (name)".encode())
    bench.upgrade(f'drop_constraint_if_exists("{LONG}", "things")')
    bench.upgrade(f'drop_index_concurrently("{LONG}_ix", "things")')
    assert bench.database.value(COUNT) == 0
