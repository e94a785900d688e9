"""The script of `--sql`: its header, its limits on locks, and no empty transactions."""

import pytest
from alembic_live.runtime.offline import OfflineScript, header


def script(*texts: str, lock_wait: float = 3) -> list[str]:
    """What is written of these texts, without blank lines."""
    written = OfflineScript(lock_wait=lock_wait)
    for text in texts:
        written.write(f"{text}\n\n")
        written.flush()
    return [line for line in written.getvalue().splitlines() if line]


LIMIT = "SET LOCAL lock_timeout = '3000ms';"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["BEGIN;", "-- Running a", "DROP TABLE a;", "COMMIT;"],
         ["BEGIN;", LIMIT, "-- Running a", "DROP TABLE a;", "COMMIT;"]),
        (["BEGIN;", "-- Running a", "COMMIT;", "CREATE INDEX CONCURRENTLY i ON a (b);"],
         ["-- Running a", "CREATE INDEX CONCURRENTLY i ON a (b);"]),
        (["BEGIN;", "COMMIT;"], []),
        (["BEGIN;", "-- why\nDROP TABLE a;", "COMMIT;"],
         ["BEGIN;", LIMIT, "-- why", "DROP TABLE a;", "COMMIT;"]),
    ],
)  # fmt: skip
def test_a_transaction_with_a_statement_has_a_limit(texts: list[str], expected: list[str]) -> None:
    assert script(*texts) == expected


def test_without_a_limit_none_is_set() -> None:
    assert script("BEGIN;", "DROP TABLE a;", "COMMIT;", lock_wait=0)[1] == "DROP TABLE a;"
    assert "lock" not in header("upgrade", "base", 0)


def test_the_header_says_how_to_run_it() -> None:
    text = header("downgrade", "abc", 0.5)
    assert "`alembic downgrade --sql` for a database at abc" in text
    assert "psql --no-psqlrc --set ON_ERROR_STOP=1 --file FILE" in text
    assert "for longer than 0.5 s fails" in text
    assert all(line.startswith("--") for line in text.split("\n") if line)
