"""`db lint` finds statements that may change many rows in one transaction."""

import sys

import pytest
from alembic.util import CommandError
from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.commands.lint.rows import changes_of_many_rows

MANY = [
    "UPDATE notes SET pages = 1",
    'update only other."My notes" set pages = 1 where pages is null',
    "UPDATE notes SET pages = (SELECT max(p.n) FROM pages p WHERE p.note = notes.id)",
    "DELETE FROM notes WHERE created < now()",
    "CREATE TABLE other (id int); DELETE FROM notes",
    # An operator, or a word of one, that does not choose.
    "UPDATE notes SET pages = 1 WHERE kind NOT IN ('a', 'b')",
    "UPDATE notes SET pages = 1 WHERE kind <> 'a'",
    "UPDATE notes SET pages = 1 WHERE NOT (id = 7)",
    "UPDATE notes SET pages = 1 WHERE id = 7 OR pages IS NULL",
    "UPDATE notes SET pages = 1 WHERE is_old = false",
    "UPDATE notes SET pages = 1 WHERE pages IS NOT DISTINCT FROM NULL",
    "UPDATE notes SET pages = 1 WHERE 1 = 1",
    "UPDATE notes SET pages = 1 WHERE title > (SELECT t FROM x WHERE id IN (1))",
    # A join chooses nothing, unless with few rows.
    "UPDATE notes SET pages = b.pages FROM books b WHERE b.id = notes.book",
    "DELETE FROM notes USING books b WHERE b.id = notes.book",
    "DELETE FROM notes WHERE book IN (SELECT id FROM books)",
    "DELETE FROM notes WHERE NOT EXISTS (SELECT FROM books WHERE books.id = notes.book)",
    "DELETE FROM notes WHERE book IN (SELECT id FROM books UNION SELECT 1)",
    "DELETE FROM notes USING books b LEFT JOIN (VALUES (1)) v (id) ON v.id = b.id"
    " WHERE b.id = notes.book",
    # A name that means something else.
    "CREATE TABLE few (id int); WITH few AS (SELECT id FROM books)"
    " DELETE FROM notes USING few WHERE few.id = notes.book",
    "WITH notes AS (SELECT 1) UPDATE notes SET pages = 1",
    "CREATE TABLE few (id int); ALTER TABLE few RENAME id TO notes; DELETE FROM notes",
    # What the parser cannot read: no SQL, and nested too deep for protobuf.
    "SELECT 1; -- all\nUPDATE notes SET pages = :pages WHERE id = 7",
    "UPDATE notes SET pages = 1" + " + 1" * 60,
    # Elsewhere than at the start.
    "WITH gone AS (DELETE FROM notes RETURNING *) INSERT INTO archive SELECT * FROM gone",
    "WITH one AS (SELECT 1) UPDATE notes SET pages = 1 WHERE pages IS NULL",
    "/* all */ UPDATE notes SET pages = 1 -- WHERE id = 7",
    "MERGE INTO notes USING books b ON b.id = book WHEN MATCHED THEN UPDATE SET pages = b.pages",
    "MERGE INTO notes USING (VALUES (1)) v (id) ON v.id = book"
    " WHEN NOT MATCHED BY SOURCE THEN DELETE",
    "INSERT INTO notes SELECT * FROM others ON CONFLICT (id) DO UPDATE SET pages = 1",
    "DO $$ BEGIN UPDATE notes SET pages = 1; END $$",
    "DO LANGUAGE plpgsql $$ BEGIN IF true THEN EXECUTE 'DELETE FROM notes'; END IF; END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM books LOOP"
    " UPDATE notes SET pages = 1 WHERE book = r.id; END LOOP; END $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN DELETE FROM notes RETURNING id LOOP END LOOP; END $$",
]
FEW = [
    "UPDATE notes SET pages = 1 WHERE id = 7",
    "UPDATE notes SET pages = 1 WHERE kind IN ('a', 'b')",
    "DELETE FROM ONLY notes WHERE title LIKE 'x%'",
    "SELECT 'UPDATE notes SET pages = 1'",
    "CREATE TABLE IF NOT EXISTS other.notes (id int); UPDATE other.notes SET id = 1",
    'CREATE TABLE "My notes" (id int); UPDATE "My notes" SET id = 1',
    "INSERT INTO notes SELECT 1",
    "UPDATE notes SET pages = 1 WHERE 7 = id AND pages IS NULL",
    "UPDATE notes SET pages = 1 WHERE id = 7 OR id BETWEEN 8 AND 9",
    "UPDATE notes SET pages = 1 WHERE (id, kind) = (7, 'a')",
    "UPDATE notes SET pages = 1 WHERE id = ANY (ARRAY[1, 2])",
    "UPDATE notes SET pages = 1 WHERE id = (SELECT max(id) FROM notes)",
    "UPDATE notes SET pages = 1 WHERE CURRENT OF them",
    "UPDATE notes SET pages = v.p FROM (VALUES (1, 2)) AS v (id, p) WHERE v.id = notes.id",
    "UPDATE notes SET pages = 1 WHERE id IN (SELECT id FROM notes WHERE pages IS NULL LIMIT 100)",
    "WITH some AS (SELECT id FROM notes LIMIT 9) DELETE FROM notes USING some s WHERE s.id = notes.id",
    "DELETE FROM notes WHERE EXISTS (SELECT FROM books b WHERE b.id = notes.book AND b.isbn = 'x')",
    "DELETE FROM notes WHERE book IN (SELECT 1 UNION SELECT 2)",
    "DELETE FROM notes USING books b JOIN (VALUES (1)) v (id) ON v.id = b.id WHERE b.id = notes.book",
    "UPDATE notes SET pages = 1 FROM unnest(ARRAY[1, 2]) u WHERE u = notes.id",
    "CREATE TABLE few AS SELECT 1 AS id; UPDATE few SET id = 2",
    "SELECT 1 AS id INTO few; UPDATE notes SET pages = 1 FROM few WHERE few.id = notes.id",
    "CREATE TABLE few (id int); ALTER TABLE few RENAME TO notes; DELETE FROM notes",
    "MERGE INTO notes USING (VALUES (1)) v (id) ON v.id = book WHEN MATCHED THEN DELETE",
    "MERGE INTO notes USING books b ON b.id = book WHEN NOT MATCHED THEN INSERT VALUES (1)",
    "INSERT INTO notes VALUES (1) ON CONFLICT (id) DO UPDATE SET pages = 1",
    "INSERT INTO notes SELECT * FROM others ON CONFLICT DO NOTHING",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM notes; END",
    "CREATE RULE r AS ON INSERT TO notes DO ALSO UPDATE notes SET pages = 1",
    "DO $$ DECLARE i int := 7; BEGIN UPDATE notes SET pages = 1 WHERE id = i; END $$",
    "DO $$ BEGIN LOOP UPDATE notes SET pages = 1 WHERE pages IS NULL; COMMIT; END LOOP; END $$",
    "DO LANGUAGE plpython3u $$ plpy.execute('DELETE FROM notes') $$",
    "DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM books WHERE id IN (1, 2) LOOP"
    " UPDATE notes SET pages = 1 WHERE book = r.id; END LOOP; END $$",
    "CREATE SOMETHING notes",  # of no Postgres that the parser knows
]  # fmt: skip


def found(*statements: str) -> list[str]:
    recorded = [RevisionStatement(sql, 1, False) for sql in statements]
    return [each.sql for each in changes_of_many_rows(recorded)]


@pytest.mark.parametrize("sql", MANY)
def test_a_change_of_all_rows_is_found(sql: str) -> None:
    assert found(sql) == [sql]


@pytest.mark.parametrize("sql", FEW)
def test_a_change_of_few_rows_is_allowed(sql: str) -> None:
    assert not found(sql)


def test_a_table_of_an_earlier_statement_is_known() -> None:
    all_rows = "UPDATE few SET id = 2"
    assert found(all_rows, "CREATE TABLE few (id int)", all_rows) == [all_rows]


def test_without_the_parser_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)
    with pytest.raises(CommandError, match="uv add --dev postgast"):
        found("SELECT 1")
