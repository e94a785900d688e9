"""`add_enum_value` of a value that the enum already has."""

from bench import Bench


def test_a_value_of_an_enum_that_stands_elsewhere_is_said(bench: Bench) -> None:
    bench.database.query("CREATE TYPE mood AS ENUM ('sad', 'happy')")
    call = 'add_enum_value("mood", "calm", before="happy")'
    for _ in range(2):
        bench.upgrade(call)
    bench.database.query("ALTER TYPE mood ADD VALUE 'glad'")
    text = bench.upgrade('add_enum_value("mood", "glad", before="happy")', ok=False)
    assert "Enum mood already has the value glad, but after happy" in text
    bench.upgrade('add_enum_value("mood", "glad")')
