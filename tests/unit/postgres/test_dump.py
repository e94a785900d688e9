"""What the dump of a schema says, read as SQL: words in names and strings mean nothing."""

import pytest
from alembic_live.postgres.dump import SchemaObject, comparable, table_in


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ('CREATE INDEX "x ON a.b" ON public.notes USING btree (title);', ("public", "notes")),
        ("ALTER TABLE ONLY public.notes\n    ADD CONSTRAINT c UNIQUE (a);", ("public", "notes")),
        ('COMMENT ON COLUMN "My s"."My ""t""".a IS \'ON a.b\';', ("My s", 'My "t"')),
        ("COMMENT ON CONSTRAINT c ON public.notes IS 'x';", ("public", "notes")),
        ("ALTER SEQUENCE public.ids OWNED BY public.notes.id;", ("public", "notes")),
        ("CREATE SEQUENCE public.ids;", None),
        ("ALTER TABLE x", None),
    ],
)
def test_the_table_of_an_object(sql: str, table: tuple[str, str] | None) -> None:
    assert table_in(sql) == table


def one(sql: str) -> str:
    [text] = comparable({SchemaObject("TABLE", "public", "t"): sql}).values()
    return text


def test_the_names_of_not_null_constraints_do_not_matter() -> None:
    table = "CREATE TABLE public.t (\n    a text DEFAULT 'b'::text{} NOT NULL\n);"
    assert one(table.format(' CONSTRAINT "a ""not"" null"')) == one(table.format(""))
    text = "CREATE TABLE public.t (\n    a text DEFAULT 'x CONSTRAINT {} NOT NULL'::text\n);"
    assert one(text.format("b")) != one(text.format("c"))


def test_columns_are_sorted_whole() -> None:
    text = (
        "CREATE TABLE public.t (\n    b integer[] DEFAULT ARRAY[2, 1],\n    a text DEFAULT ','\n);"
    )
    assert one(text).split("\n")[1:3] == [
        "    a text DEFAULT ',',",
        "    b integer[] DEFAULT ARRAY[2, 1],",
    ]
