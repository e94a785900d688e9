"""`db lint` finds statements that may change many rows in one transaction."""

import pytest
from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.commands.lint.rows import changes_of_many_rows

MANY = [
    "UPDATE notes SET pages = 1",
    'update only other."My notes" set pages = 1 where pages is null',
    "UPDATE notes SET pages = (SELECT max(p.n) FROM pages p WHERE p.note = notes.id)",
    "DELETE FROM notes WHERE created < now()",
    "CREATE TABLE other (id int); DELETE FROM notes",
]
FEW = [
    "UPDATE notes SET pages = 1 WHERE id = 7",
    "UPDATE notes SET pages = 1 WHERE kind IN ('a', 'b')",
    "DELETE FROM ONLY notes WHERE title LIKE 'x%'",
    "SELECT 'UPDATE notes SET pages = 1'",
    "CREATE TABLE IF NOT EXISTS other.notes (id int); UPDATE other.notes SET id = 1",
    'CREATE TABLE "My notes" (id int); UPDATE "My notes" SET id = 1',
    "INSERT INTO notes SELECT 1",
]  # fmt: skip


def found(sql: str) -> list[str]:
    return [each.sql for each in changes_of_many_rows([RevisionStatement(sql, 1, False)])]


@pytest.mark.parametrize("sql", MANY)
def test_a_change_of_all_rows_is_found(sql: str) -> None:
    assert found(sql) == [sql]


@pytest.mark.parametrize("sql", FEW)
def test_a_change_of_few_rows_is_allowed(sql: str) -> None:
    assert not found(sql)
