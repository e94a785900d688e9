"""What is said about a statement in progress."""

import logging

import pytest
from alembic_live.postgres.progress import Progress
from alembic_live.postgres.waits import Activity, Wait
from alembic_live.runtime import reports
from alembic_live.runtime.reports import Reports

SECRET = "ALTER ROLE app PASSWORD 'hunter2'"
HALF = Activity(Progress("CREATE INDEX", "building index", 1300, 2600, "blocks"), "")


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="alembic.migrations")


def test_a_wait_is_said_immediately_and_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Reports()
    for _ in range(3):
        report.waiting(0.5, Wait('"notes"', "pid 1 (x)", "End it."))
    report.waiting(1.5, Wait('"other"', "pid 1 (x)", "End it."))
    monkeypatch.setattr(reports, "SAY_EVERY", 0)
    report.waiting(7.4, Wait('"other"', "pid 1 (x)", "End it."))
    assert caplog.messages == [
        'Waiting for "notes", held by pid 1 (x). End it.',
        'Waiting for "other", held by pid 1 (x). End it.',
        'Still waiting after 7 s for "other", held by pid 1 (x). End it.',
    ]


def test_work_is_said_after_some_seconds(caplog: pytest.LogCaptureFixture) -> None:
    report = Reports()
    report.working(4.9, "CREATE INDEX i", HALF)
    report.working(5.1, "CREATE INDEX i", HALF)
    report.working(6.1, "CREATE INDEX i", HALF)
    report.working(5.1, SECRET, Activity(None, ""))
    report.working(5.1, "SELECT 1", Activity(None, "for the disk (IO: WalSync)"))
    report.working(5.1, "SELECT 2", None)
    assert caplog.messages == [
        "Running for 5 s, building index, 50% (1,300 of 2,600 blocks): CREATE INDEX i",
        "Running for 5 s, Postgres does not count its progress: ALTER ROLE app PASSWORD '…'",
        "Running for 5 s, waits for the disk (IO: WalSync): SELECT 1",
        "Running for 5 s, no second connection to ask: SELECT 2",
    ]


def test_a_statement_that_took_long_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    Reports().executed(0.9, "SELECT 1")
    Reports().executed(61.234, f"{SECRET};\n{'x' * 300}")
    [text] = caplog.messages
    assert text.startswith("Executed in 61.23 s: ALTER ROLE app PASSWORD '…'; xxx")
    assert text.endswith("x…")
    assert "hunter2" not in text
