"""Definitions whose text Postgres changes when it stores them: what a model has, and what it has later.

Each case is a table of its own, so that one revision makes all of them, and another changes them.
"""

from dataclasses import dataclass

HEAD = '''"""Generated models."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base

color = sa.Enum("red", "it's", name="color")
'''

MODEL = """

class {name}(Base):
    __tablename__ = "{table}"
    __table_args__ = ({args})

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
{columns}
"""


@dataclass(frozen=True)
class Definition:
    """A part of a table in the model, and another one that takes its place.

    Attributes:
        one: the part.
        other: what it becomes; None if it only stays as it is.
        columns: what the table has besides.
        sql: runs before the table is made.
        server: the least version of Postgres that knows it.
    """

    one: str
    other: str | None = None
    columns: str = ""
    sql: str = ""
    server: int = 0


def default(type_: str, one: str, other: str | None = None, sql: str = "") -> Definition:
    """A server default."""
    column = "    c = mapped_column({}, server_default={}, nullable=True)"
    return Definition(column.format(type_, one), other and column.format(type_, other), sql=sql)


TEXTS = (
    "    name: Mapped[str | None]\n"
    "    code = mapped_column(sa.String(10))\n"
    "    size: Mapped[int | None]\n"
    "    data = mapped_column(pg.JSONB)\n"
    "    color = mapped_column(color)\n"
    "    tags = mapped_column(pg.ARRAY(sa.Text))\n"
)


def part(one: str, other: str | None = None, sql: str = "", server: int = 0) -> Definition:
    """A constraint or an index of a table with columns of many types."""
    return Definition(one, other, TEXTS, sql, server)


def check(one: str, other: str | None = None) -> Definition:
    """A check constraint."""
    return part(
        f'sa.CheckConstraint({one}, name="c")',
        other and f'sa.CheckConstraint({other}, name="c")',
    )


SQL = """
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.calls (id int GENERATED ALWAYS AS IDENTITY, what text);
CREATE SEQUENCE numbers;
CREATE SEQUENCE elsewhere."Odd numbers";
CREATE FUNCTION own(a text) RETURNS text LANGUAGE sql VOLATILE AS 'INSERT INTO elsewhere.calls (what) VALUES ($1) RETURNING what';
CREATE FUNCTION elsewhere.own(a text, b int DEFAULT 1) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
"""

DEFINITIONS = {
    # Server defaults
    "json": default("sa.JSON", "'{}'", "'[]'"),
    "jsonb": default("pg.JSONB", "sa.text(\"'{}'::jsonb\")", 'sa.text("\'{\\"a\\": 1}\'::jsonb")'),
    "uuid in text": default("sa.Text", 'sa.text("gen_random_uuid()")', "'x'"),
    "uuid": default("sa.Uuid", 'sa.text("gen_random_uuid()")'),
    "fixed uuid": default(
        "sa.Uuid", "'00000000-0000-0000-0000-000000000000'", "sa.func.gen_random_uuid()"
    ),
    "quotes": default("sa.Text", '''"it's"''', '''"it's 'so'"'''),
    "quotes at the ends": default("sa.Text", '''"'x'"''', '''"'y'"'''),
    "percent": default("sa.Text", "'100%'", "'100%%s %(a)s'"),
    "percent in sql": default("sa.Text", """sa.text("'100%'")""", """sa.text("'90%%'")"""),
    "modulo": default("sa.Integer", 'sa.text("7 % 4")', 'sa.text("7 % 5")'),
    "backslash": default("sa.Text", r"'a\\b'", r"'a\\n\\b'"),
    "escape string": default("sa.Text", r"""sa.text(r"E'a\\b\n'")""", r"""sa.text(r"E'a\\c\n'")"""),
    "colons": default("sa.Text", "'a :b c'", "'a :c ::d :e:'"),
    "colons in sql": default("sa.Text", r"""sa.text(r"'a \:b c'")""", r"""sa.text(r"'a \:c'")"""),
    "backslash and colon": default("sa.Text", r"'C:\\:x'", r"'C:\\:y'"),
    "newline": default("sa.Text", r"'a\nb\tc'", r"'a\nb'"),
    "unicode": default("sa.Text", "'数 😀'", "'ü'"),
    "dollar quotes": default("sa.Text", 'sa.text("$$a\'b$$")', 'sa.text("$x$a$$b$x$")'),
    "dollar tags": default("sa.Text", "'$do$ $f$ $1'", "'$f$'"),
    "setting": default(
        "sa.Text",
        """sa.text("current_setting('app.tenant')")""",
        """sa.text("current_setting('app.user')")""",
    ),
    "empty string": default("sa.Text", "''", "' '"),
    "now": default("sa.DateTime(timezone=True)", "sa.func.now()", 'sa.text("clock_timestamp()")'),
    "now with a zone": default(
        "sa.DateTime",
        """sa.text("timezone('utc', now())")""",
        """sa.text("(now() AT TIME ZONE 'CET')")""",
    ),
    "current timestamp": default(
        "sa.DateTime(timezone=True)",
        "sa.func.current_timestamp()",
        "sa.text('CURRENT_TIMESTAMP(3)')",
    ),
    "random": default("sa.Float", 'sa.text("random()")', 'sa.text("random() * 2")'),
    "epoch": default("sa.DateTime", "'epoch'", "'2020-01-01'"),
    "date": default("sa.Date", """sa.text("'2020-1-1'")""", 'sa.text("CURRENT_DATE")'),
    "nextval": default(
        "sa.Integer", """sa.text("nextval('numbers')")""", """sa.text("nextval('numbers') * 2")"""
    ),
    "sequence": default(
        "sa.BigInteger",
        'sa.Sequence("numbers").next_value()',
        """sa.text("nextval('elsewhere.\\"Odd numbers\\"')")""",
    ),
    "own function": default("sa.Text", """sa.text("own('a')")""", """sa.text("own('b')")"""),
    "function of another schema": default(
        "sa.Text", """sa.text("elsewhere.own('a')")""", """sa.text("elsewhere.own('a', 2)")"""
    ),
    "null": default("sa.Text", "sa.null()", "'x'"),
    "null in sql": default("sa.Text", 'sa.text("NULL")', 'sa.text("NULL::text")'),
    "cast": default("sa.Integer", """sa.text("CAST('1' AS integer)")""", """sa.text("'2'::int")"""),
    "big zero": default("sa.BigInteger", "'0'", "'1'"),
    "big zero in sql": default("sa.BigInteger", 'sa.text("0")', """sa.text("'0'::bigint")"""),
    "string for a number": default("sa.Integer", "'5'", "'6'"),
    "negative number": default("sa.Integer", 'sa.text("-1")', 'sa.text("-2")'),
    "numeric": default("sa.Numeric(10, 2)", "'1.5'", "'1.50'"),
    "float": default("sa.Double", 'sa.text("1e3")', 'sa.text("1.5e3")'),
    "bool": default("sa.Boolean", "sa.false()", "sa.true()"),
    "bool as a string": default("sa.Boolean", "'f'", "'t'"),
    "array": default("pg.ARRAY(sa.Text)", "'{}'", "'{a,b}'"),
    "array in sql": default(
        "pg.ARRAY(sa.Integer)", 'sa.text("ARRAY[1, 2]")', 'sa.text("ARRAY[]::integer[]")'
    ),
    "enum": default("color", "'red'", '''"it's"'''),
    "array of enums": default("pg.ARRAY(color)", "'{red}'", "'{}'"),
    "domain": default('pg.DOMAIN("positive", sa.Integer, create_type=False)', "'1'", "'2'"),
    "interval": default("sa.Interval", "'1 day'", """sa.text("interval '36 hours'")"""),
    "bytea": default("sa.LargeBinary", r"r'\x00ff'", r"""sa.text(r"'\\x01'::bytea")"""),
    "char": default("sa.CHAR(5)", "'a'", "'b'"),
    "varchar": default("sa.String(20)", "'a'", "'b'"),
    "point": default("pg.INT4RANGE", "'[1,2]'", "'[1,5)'"),
    "inet": default("pg.INET", "'10.0.0.1'", "'::1'"),
    "concatenation": default(
        "sa.Text", """sa.text("'a' || 'b'")""", """sa.text("upper('a' || 'c')")"""
    ),
    "case": default(
        "sa.Integer",
        'sa.text("CASE WHEN true THEN 1 ELSE 2 END")',
        'sa.text("CASE WHEN false THEN 1 ELSE 2 END")',
    ),
    "long": default("sa.Text", '"x" * 3000', '"y" * 3000'),
    "serial": Definition("    c: Mapped[int | None]"),
    "fetched": Definition(
        "    c: Mapped[int | None] = mapped_column(server_default=sa.FetchedValue())"
    ),
    # Check constraints
    "in": check('''"code IN ('a', 'b')"''', '''"code IN ('a', 'c')"'''),
    "in with one": check('''"code IN ('a')"''', '''"code IN ('a', 'b')"'''),
    "in of numbers": check('"size IN (1, 2)"', '"size IN (1, 3)"'),
    "not in": check('''"name NOT IN ('a', 'b')"''', '''"name NOT IN ('a')"'''),
    "between": check('"size BETWEEN 1 AND 5"', '"size BETWEEN 1 AND 6"'),
    "like": check('''"name LIKE 'a%'"''', '''"name LIKE 'b%%_'"'''),
    "regular expression": check(r'''r"name ~ '^\w+\:x$'"''', r'''r"name ~* '^\w+\:y$'"'''),
    "colon in a check": check(r'''r"name <> ' \:x'"''', r'''r"name <> ' \:y'"'''),
    "enum in a check": check('''"color IN ('red')"''', '''"color <> 'red'"'''),
    "cast in a check": check("\"CAST(code AS text) <> ''\"", "\"code::text <> 'x'\""),
    "expression": check('sa.column("size") > 5', 'sa.column("size") > 6'),
    "expression of strings": check(
        'sa.column("code").in_(["a", "it\'s %"])', 'sa.column("code").in_(["a", "b"])'
    ),
    "json in a check": check('''"data ? 'a'"''', '''"data ->> 'a' IS NULL"'''),
    "array in a check": check('''"tags <@ ARRAY['a', 'b']"''', '''"cardinality(tags) > 1"'''),
    "and or": check(
        '"(size > 1 AND size < 5) OR name IS NULL"', '"size IS NULL OR (size < 5 AND name IS NULL)"'
    ),
    "check on a column": Definition(
        '    c = mapped_column(sa.Integer, sa.CheckConstraint("c > 0", name="c"))',
        '    c = mapped_column(sa.Integer, sa.CheckConstraint("c > 1", name="c"))',
    ),
    "check of an enum without a type": Definition(
        '    c = mapped_column(sa.Enum("a", "b", name="c", native_enum=False, create_constraint=True))',
        '    c = mapped_column(sa.Enum("a", "d", name="c", native_enum=False, create_constraint=True))',
    ),
    "check of a boolean": Definition(
        '    c = mapped_column(sa.Boolean(name="c", create_constraint=True))'
    ),
    # Indexes
    "plain index": part(
        'sa.Index("ix_plain", "name", "size")', 'sa.Index("ix_plain", "size", "name")'
    ),
    "unique index": part(
        'sa.Index("ix_unique", "name")', 'sa.Index("ix_unique", "name", unique=True)'
    ),
    "partial": part(
        """sa.Index("ix_partial", "size", postgresql_where=sa.text("code IN ('a', 'b')"))""",
        """sa.Index("ix_partial", "size", postgresql_where=sa.text("code IN ('a', 'c')"))""",
    ),
    "partial with signs": part(
        r"""sa.Index("ix_signs", "size", postgresql_where=sa.text(r"name LIKE ' \:a%'"))""",
        r"""sa.Index("ix_signs", "size", postgresql_where=sa.text(r"name LIKE ' \:b%%'"))""",
    ),
    "partial by a clause": part(
        'sa.Index("ix_clause", "size", postgresql_where=sa.column("size") > 5)',
        'sa.Index("ix_clause", "size", postgresql_where=sa.column("size") > 6)',
    ),
    "lower": part(
        'sa.Index("ix_lower", sa.func.lower(sa.column("name")))',
        'sa.Index("ix_lower", sa.func.upper(sa.column("name")))',
    ),
    "lower as text": part(
        'sa.Index("ix_lower_text", sa.text("lower(name)"))',
        'sa.Index("ix_lower_text", sa.text("lower(code)"))',
    ),
    "collate": part(
        'sa.Index("ix_collate", sa.text(\'name COLLATE "C"\'))',
        'sa.Index("ix_collate", sa.text(\'name COLLATE "POSIX" DESC\'))',
    ),
    "json path": part(
        """sa.Index("ix_json", sa.text("(data -> 'a')"))""",
        """sa.Index("ix_json", sa.text("(data ->> 'b')"))""",
    ),
    "json path with a colon": part(
        r"""sa.Index("ix_json_colon", sa.literal_column("(data ->> ' :a')"))""",
        r"""sa.Index("ix_json_colon", sa.literal_column("(data ->> ' :b%')"))""",
    ),
    "two arguments": part(
        'sa.Index("ix_two", sa.text("coalesce(name, code)"))',
        """sa.Index("ix_two", sa.text("coalesce(name, 'x')"))""",
    ),
    "descending": part(
        'sa.Index("ix_desc", sa.text("size DESC NULLS LAST"))',
        'sa.Index("ix_desc", sa.text("size DESC"))',
    ),
    "descending column": part(
        'sa.Index("ix_desc_column", sa.desc(sa.column("size")))',
        'sa.Index("ix_desc_column", sa.desc(sa.column("size")).nulls_last())',
    ),
    "cast in an index": part(
        'sa.Index("ix_cast", sa.text("(code::text)"))',
        'sa.Index("ix_cast", sa.text("CAST(size AS numeric)"))',
    ),
    "operator class": part(
        'sa.Index("ix_ops", "name", postgresql_ops={"name": "text_pattern_ops"})',
        'sa.Index("ix_ops", "name", postgresql_ops={"name": "varchar_ops"})',
    ),
    "operator class in the text": part(
        'sa.Index("ix_ops_text", sa.text("lower(name) text_pattern_ops"))',
        'sa.Index("ix_ops_text", sa.text("lower(name) DESC"))',
    ),
    "gin": part(
        'sa.Index("ix_gin", "data", postgresql_using="gin")',
        'sa.Index("ix_gin", "data", postgresql_using="gin", postgresql_ops={"data": "jsonb_path_ops"})',
    ),
    "kind of index": part(
        'sa.Index("ix_kind", "name")', 'sa.Index("ix_kind", "name", postgresql_using="hash")'
    ),
    "fillfactor": part(
        'sa.Index("ix_fill", "size", postgresql_with={"fillfactor": 70})',
        'sa.Index("ix_fill", "size", postgresql_with={"fillfactor": 80})',
    ),
    "include": part(
        'sa.Index("ix_include", "size", postgresql_include=["name"])',
        'sa.Index("ix_include", "size", postgresql_include=["code"])',
    ),
    "nulls not distinct": part(
        'sa.Index("ix_nulls", "size", unique=True)',
        'sa.Index("ix_nulls", "size", unique=True, postgresql_nulls_not_distinct=True)',
        server=15,
    ),
    "many elements": part(
        'sa.Index("ix_many", sa.text("lower(name)"), "size", sa.text("(code || \'x\') DESC"))',
        'sa.Index("ix_many", sa.text("lower(name)"), "size", sa.text("(code || \'y\') DESC"))',
    ),
    # Unique and exclusion constraints
    "unique": part(
        'sa.UniqueConstraint("name", "size", name="uq_one")',
        'sa.UniqueConstraint("size", "name", name="uq_one")',
    ),
    "deferrable": part(
        'sa.UniqueConstraint("name", name="uq_deferrable")',
        'sa.UniqueConstraint("name", name="uq_deferrable", deferrable=True, initially="DEFERRED")',
    ),
    "unique with include": part(
        'sa.UniqueConstraint("name", name="uq_include", postgresql_include=["size"])',
        'sa.UniqueConstraint("name", name="uq_include", postgresql_include=["code"])',
    ),
    "exclude": part(
        'pg.ExcludeConstraint((sa.text("int4range(size, size + 1)"), "&&"), name="ex_one", using="gist")',
        """pg.ExcludeConstraint((sa.text("int4range(size, size + 2)"), "&&"), name="ex_one", using="gist", where=sa.text("name LIKE 'a%'"))""",
    ),
    # Computed columns
    "computed": Definition(
        '    c = mapped_column(sa.Integer, sa.Computed("a % 5", persisted=True))',
        '    c = mapped_column(sa.Integer, sa.Computed("a % 6", persisted=True))',
        "    a: Mapped[int | None]\n",
        server=17,
    ),
    "computed with a newline": Definition(
        '    c = mapped_column(sa.Text, sa.Computed("lower(\\n  a\\n)", persisted=True))',
        None,
        "    a: Mapped[str | None]\n",
    ),
    "computed text": Definition(
        """    c = mapped_column(sa.Text, sa.Computed("a || ' :b'::text || lower(a)", persisted=True))""",
        None,
        "    a: Mapped[str | None]\n",
    ),
    # Columns
    "collation": Definition(
        "    c = mapped_column(sa.String(5))",
        '    c = mapped_column(sa.String(5, collation="C"))',
    ),
    "type and default": Definition(
        '    c = mapped_column(sa.Integer, server_default="5")',
        '    c = mapped_column(sa.BigInteger, server_default="5")',
    ),
}


def models(*, changed: bool, server: int) -> str:
    """The models of all definitions."""
    source = HEAD
    for number, (case, definition) in enumerate(DEFINITIONS.items()):
        if definition.server > server:
            continue
        text = definition.other if changed and definition.other else definition.one
        is_column = text.startswith("    ")
        source += MODEL.format(
            name=f"Table{number}",
            table=table_of(case),
            args="" if is_column else text + ",",
            columns=definition.columns + (text if is_column else ""),
        )
    return source


def table_of(case: str) -> str:
    """The table of a definition."""
    return "t_" + case.replace(" ", "_")
