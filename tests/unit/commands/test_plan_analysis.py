"""What the observations of a rehearsal mean for others."""

from alembic_live.commands.plan.analysis import held_locks
from alembic_live.commands.plan.estimates.estimates import DEFAULT
from alembic_live.commands.plan.estimates.sizes import TableSize
from alembic_live.commands.plan.rehearsal.effects import (
    LockMode,
    RelationName,
    TakenLock,
    Work,
    WorkKind,
)
from alembic_live.commands.plan.rehearsal.statement import RehearsedStatement

NOTES = RelationName("public", "notes")
READS = Work(WorkKind.READS, NOTES)


def taken(mode: LockMode) -> TakenLock:
    return TakenLock(NOTES, mode, "r", NOTES)


def test_concurrently_takes_its_strong_lock_for_a_moment() -> None:
    modes = (LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ACCESS_EXCLUSIVE)
    statement = RehearsedStatement(
        "ALTER TABLE …", 1, "", is_outside=True, locks=[*map(taken, modes)], works=[READS]
    )
    held = {each.taken.mode: each.during for each in held_locks([statement])}
    assert held == {modes[0]: (READS,), modes[1]: ()}


def test_in_a_transaction_it_is_held_to_the_end() -> None:
    statements = [
        RehearsedStatement("LOCK …", 1, "1", locks=[taken(LockMode.ACCESS_EXCLUSIVE)]),
        RehearsedStatement("SELECT …", 2, "1", works=[READS]),
        RehearsedStatement("SELECT …", 3, "2", works=[Work(WorkKind.REWRITES, NOTES)]),
    ]
    [held] = held_locks(statements)
    assert (held.line, held.during) == (1, (READS,))


def test_a_condition_may_choose_no_row() -> None:
    sizes = {NOTES: TableSize(1_000_000, 100_000_000, 0)}
    all_rows = DEFAULT.seconds(Work(WorkKind.CHANGES, NOTES), sizes)
    some_rows = DEFAULT.seconds(Work(WorkKind.CHANGES, NOTES, is_selective=True), sizes)
    assert all_rows is not None
    assert some_rows is not None
    assert some_rows == (0, all_rows.high)
    assert all_rows.low > 0
