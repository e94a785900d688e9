"""Changes of types, on tables with rows: up, no difference left, back to the same schema, up again."""

import enum
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from alembic_live.autogenerate import enums
from campaigns import campaign
from evolution import Evolution
from server import Database
from sqlalchemy.dialects import postgresql as pg

Things = Callable[[sa.MetaData], object]

FIRST = "first"  # the id of the first revision


@dataclass
class Change:
    """Models before and after, SQL that runs between, and what -x says."""

    before: Things
    after: Things
    sql: str = ""
    words: tuple[str, ...] = ()
    schema: str | None = None  # of the metadata
    setup: str = ""  # SQL that runs first


def things(*parts: Any, schema: str | None = None, more: Things | None = None) -> Things:
    """A table with these columns; they are copied, so that several models can share them."""

    def models(metadata: sa.MetaData) -> None:
        made = [part() if callable(part) else part for part in parts]
        sa.Table(
            "things",
            metadata,
            sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
            sa.Column("kept", sa.Text, server_default="kept"),
            *made,
            schema=schema,
        )
        if more:
            more(metadata)

    return models


def column(type_: Callable[[], Any], name: str = "color", **options: Any) -> Callable[[], Any]:
    """A column, made when it is needed."""
    return lambda: sa.Column(name, type_(), **options)


def color(*labels: str, name: str = "color", **options: Any) -> Callable[[], Any]:
    """An enum."""
    return lambda: sa.Enum(*labels, name=name, **options)


def colors(*labels: str) -> Callable[[], Any]:
    """An array of an enum."""
    return lambda: pg.ARRAY(sa.Enum(*labels, name="color"))


def index(*columns: str, name: str = "ix_color", **options: Any) -> Callable[[], Any]:
    """An index."""
    return lambda: sa.Index(name, *map(sa.text, columns), **options)


def check(condition: str, name: str = "color") -> Callable[[], Any]:
    """A check."""
    return lambda: sa.CheckConstraint(condition, name=name)


class Hue(enum.Enum):
    """An enum whose values differ from its names."""

    RED = "red hue"
    GREEN = "green hue"


class Decorated(sa.types.TypeDecorator[str]):
    """A decorated enum."""

    impl = sa.Enum("red", "green", name="color")
    cache_ok = True


class Short(sa.types.TypeDecorator[str]):
    """A decorated string."""

    impl = sa.String(7)
    cache_ok = True


class Outer:
    """A class with a type in it."""

    class Inner(sa.types.UserDefinedType[str]):
        """A type that does not say its arguments."""

        cache_ok = True

        def __init__(self, length: int) -> None:
            self.length = length

        def get_col_spec(self, **_: Any) -> str:
            """The type in SQL."""
            return f"VARCHAR({self.length})"

        def __repr__(self) -> str:
            return "Inner()"


def inherited() -> sa.Enum:
    """An enum in the schema of its table, as SQLAlchemy 2.0 has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sa.Enum(*RG, name="color", inherit_schema=True)


RED = "INSERT INTO things (color) VALUES ('red'), ('green')"
ROWS = "INSERT INTO things DEFAULT VALUES"
text = sa.Text
RG, RGB = ("red", "green"), ("red", "green", "blue")
TWO, THREE = color(*RG), color(*RGB)
DROP_BLUE = ("allow-drop=color.blue",)

GREEN = check("color <> 'green' OR id > 0")
STATISTICS = "; CREATE STATISTICS st (dependencies) ON id, color FROM things"
LEFT = {
    "column with a check and statistics": (things(column(THREE), GREEN), things(), STATISTICS),
    "column with an index": (things(column(THREE), index("(color = 'red')")), things(), ""),
    "column with a check on two": (
        things(column(THREE), column(THREE, "tint"), check("color = tint OR id > 0")),
        things(column(TWO)),
        STATISTICS,
    ),
    "column of another type in a check": (
        things(column(THREE), column(sa.Integer, "size"), check("size > 0 OR color = 'red'")),
        things(column(TWO)),
        STATISTICS,
    ),
    "column that becomes text": (
        things(column(THREE), GREEN),
        things(column(text), GREEN),
        "",
    ),
    "table with a check and an index": (
        things(column(THREE), GREEN, index("(color = 'red')")),
        lambda _: None,
        STATISTICS,
    ),
}


def with_others(models: Things, labels: Callable[[], Any]) -> Things:
    """The models, and a second table with the enum."""

    def joined(metadata: sa.MetaData) -> None:
        models(metadata)
        sa.Table("others", metadata, column(labels)())

    return joined


ENUMS = {
    **{
        f"{name} leaves an enum that loses a value": Change(
            with_others(before, THREE), with_others(after, TWO), RED + sql, ("allow-drop",)
        )
        for name, (before, after, sql) in LEFT.items()
    },
    "new enum": Change(things(), things(column(TWO)), ROWS),
    "new enum with a default": Change(
        things(), things(column(TWO, nullable=False, server_default="red")), ROWS
    ),
    "new array": Change(things(), things(column(colors(*RG), server_default="{red}")), ROWS),
    "text to enum": Change(things(column(text)), things(column(TWO)), RED),
    "text to enum with default": Change(
        things(column(text, server_default="red", nullable=False)),
        things(column(TWO, server_default="red", nullable=False)),
        RED,
    ),
    "text to enum with another default": Change(
        things(column(text, server_default="none")),
        things(column(TWO, server_default="red")),
        RED,
    ),
    "text to enum, default goes": Change(
        things(column(text, server_default="red")), things(column(TWO)), RED
    ),
    "varchar to enum, default comes": Change(
        things(column(lambda: sa.String(9))), things(column(TWO, server_default="red")), RED
    ),
    "array of text to array of enum": Change(
        things(column(lambda: pg.ARRAY(sa.Text), server_default="{red}")),
        things(column(colors(*RG), server_default="{green}")),
        ROWS,
    ),
    "enum to enum of another name": Change(
        things(column(TWO, server_default="red")),
        things(column(color(*RG, name="hue"), server_default="red")),
        RED,
    ),
    "renamed enum": Change(
        things(column(TWO, server_default="red"), index("color", postgresql_where="color = 'red'")),
        things(
            column(color(*RG, name="hue"), server_default="red"),
            index("color", postgresql_where="color = 'red'"),
        ),
        RED,
        ("rename=color:hue",),
    ),
    "renamed value": Change(
        things(column(TWO, server_default="red")),
        things(column(color("crimson", "green"), server_default="crimson")),
        RED,
        ("rename=color.red:crimson",),
    ),
    "value added": Change(things(column(TWO)), things(column(THREE)), RED),
    "value added to all that an enum can be in": Change(
        things(
            column(TWO, server_default="red", nullable=False),
            column(colors(*RG), "many", server_default="{red}"),
            index("color", name="ix_plain"),
            index("color", name="ix_some", postgresql_where=sa.text("color <> 'green'")),
            index("coalesce(color, 'red'::color)", name="ix_expr"),
            index("many", name="ix_gin", postgresql_using="gin"),
            check("color <> 'green' OR kept IS NOT NULL"),
            lambda: sa.UniqueConstraint("color", "id"),
        ),
        things(
            column(THREE, server_default="red", nullable=False),
            column(colors(*RGB), "many", server_default="{red}"),
            index("color", name="ix_plain"),
            index("color", name="ix_some", postgresql_where=sa.text("color <> 'green'")),
            index("coalesce(color, 'red'::color)", name="ix_expr"),
            index("many", name="ix_gin", postgresql_using="gin"),
            check("color <> 'green' OR kept IS NOT NULL"),
            lambda: sa.UniqueConstraint("color", "id"),
        ),
        RED,
    ),
    "value added and used": Change(
        things(column(TWO, server_default="red")),
        things(
            column(THREE, server_default="blue"),
            column(THREE, "other", server_default="blue", nullable=False),
            check("color <> 'blue' OR other = 'blue'"),
            index("color", postgresql_where=sa.text("color = 'blue'")),
        ),
        RED,
    ),
    "value removed": Change(things(column(THREE)), things(column(TWO)), RED, DROP_BLUE),
    "value removed from all that an enum can be in": Change(
        things(
            column(THREE, server_default="red", nullable=False),
            column(colors(*RGB), "many", server_default="{red}"),
            index("color", name="ix_plain"),
            index("color", name="ix_some", postgresql_where=sa.text("color <> 'green'")),
            index("coalesce(color, 'red'::color)", name="ix_expr"),
            index("many", name="ix_gin", postgresql_using="gin"),
            check("color <> 'green' OR kept IS NOT NULL"),
            lambda: sa.UniqueConstraint("color", "id"),
        ),
        things(
            column(TWO, server_default="red", nullable=False),
            column(colors(*RG), "many", server_default="{red}"),
            index("color", name="ix_plain"),
            index("color", name="ix_some", postgresql_where=sa.text("color <> 'green'")),
            index("coalesce(color, 'red'::color)", name="ix_expr"),
            index("many", name="ix_gin", postgresql_using="gin"),
            check("color <> 'green' OR kept IS NOT NULL"),
            lambda: sa.UniqueConstraint("color", "id"),
        ),
        RED,
        DROP_BLUE,
    ),
    "value removed with its default and its column": Change(
        things(
            column(THREE, server_default="blue"),
            column(THREE, "old", server_default="blue"),
            check("color IN ('red', 'blue', 'green')", "three"),
        ),
        things(
            column(TWO, server_default="green"),
            column(TWO, "new", server_default="red"),
            check("color IN ('red', 'green')", "two"),
        ),
        RED,
        ("allow-drop=color.blue,things.old",),
    ),
    "values in another order, and one replaced": Change(
        things(column(THREE, server_default="blue")),
        things(column(color("pink", "green", "red"), server_default="pink")),
        RED,
        DROP_BLUE,
    ),
    "enum to text": Change(things(column(TWO, server_default="red")), things(column(text)), RED),
    "enum no more": Change(things(column(TWO)), things(), RED, ("allow-drop",)),
    "labels that need escaping": Change(
        things(column(color("it's", "a"))),
        things(
            column(
                color("it's", 'say "b"', "back\\slash", "100%", ":c :d", " ", "é数", "l" * 63, "a")
            )
        ),
        "INSERT INTO things (color) VALUES ('it''s')",
    ),
    "labels that need escaping, created": Change(
        things(),
        things(
            column(
                color('say "b"', "back\\slash", "100%", ":c :d", " ", "l" * 63, name="Select %"),
                server_default="back\\slash",
            ),
            column(lambda: pg.ARRAY(sa.Enum("a\\b", "%s", name="order")), "Group"),
        ),
        ROWS,
    ),
    "labels that need escaping, removed": Change(
        things(column(color("it's", "a%", "b\\", ":x", name="User"), server_default="a%")),
        things(column(color("it's", "a%", ":x", name="User"), server_default="a%")),
        "INSERT INTO things (color) VALUES ('it''s')",
        ("allow-drop=User.b\\",),
    ),
    "another schema": Change(
        things(), things(column(color(*RG, schema="types"), server_default="red")), ROWS
    ),
    "another schema that exists, more values": Change(
        things(column(color(*RG, schema="types"), server_default="red")),
        things(column(color(*RGB, schema="types"), server_default="red")),
        ROWS,
        setup="CREATE SCHEMA types",
    ),
    "another schema, fewer values": Change(
        things(column(color(*RGB, schema="types"), server_default="red"), schema="sales"),
        things(column(color(*RG, schema="types"), server_default="red"), schema="sales"),
        "INSERT INTO sales.things DEFAULT VALUES",
        ("allow-drop=color.blue",),
    ),
    "schema of the metadata": Change(
        things(column(TWO, server_default="red")),
        things(column(THREE, server_default="blue")),
        "INSERT INTO sales.things DEFAULT VALUES",
        schema="sales",
        setup="CREATE SCHEMA sales",
    ),
    "schema of the table": Change(
        things(),
        things(more=lambda m: sa.Table("others", m, sa.Column("a", inherited()), schema="sales")),
        ROWS,
    ),
    "the default schema by its name": Change(
        things(column(color(*RG, schema="public"))),
        things(column(color(*RGB, schema="public"))),
        RED,
    ),
    "a Python enum": Change(
        things(column(lambda: sa.Enum(Hue, name="hue"), server_default="RED")),
        things(
            column(
                lambda: sa.Enum(Hue, name="hue2", values_callable=lambda e: [v.value for v in e]),
                "other",
                server_default="red hue",
            ),
            column(lambda: sa.Enum(Hue, name="hue"), server_default="RED"),
        ),
        "INSERT INTO things (color) VALUES ('GREEN')",
    ),
    "decorated": Change(things(column(text)), things(column(Decorated)), RED),
    "decorated in an array": Change(
        things(), things(column(lambda: pg.ARRAY(Decorated()), server_default="{}")), ROWS
    ),
    "not native": Change(
        things(),
        things(column(lambda: sa.Enum(*RG, name="color", native_enum=False, length=9))),
        ROWS,
    ),
    "not native, with a check": Change(
        things(column(lambda: sa.Enum(*RG, name="c", native_enum=False, create_constraint=True))),
        things(column(lambda: sa.Enum(*RGB, name="c", native_enum=False, create_constraint=True))),
        RED,
    ),
    "not native, with a check, added": Change(
        things(),
        things(column(lambda: sa.Enum(*RG, name="c", native_enum=False, create_constraint=True))),
        ROWS,
    ),
    "native after all": Change(
        things(column(lambda: sa.Enum(*RG, name="c", native_enum=False, create_constraint=True))),
        things(column(TWO)),
        RED,
    ),
    "not created by the table": Change(
        things(), things(column(lambda: pg.ENUM(*RG, name="color", create_type=False))), ROWS
    ),
    "one enum in new tables": Change(
        things(),
        things(
            column(TWO),
            more=lambda m: sa.Table(
                "more", m, sa.Column("a", sa.Enum(*RG, name="color"), primary_key=True)
            ),
        ),
        ROWS,
    ),
    "enum of a dropped table": Change(
        things(
            more=lambda m: sa.Table("more", m, sa.Column("a", sa.Enum(*RG, name="color"))),
        ),
        things(),
        ROWS,
        ("allow-drop=more",),
    ),
    "renamed table and a value less": Change(
        things(
            more=lambda m: sa.Table(
                "more", m, sa.Column("a", sa.Enum(*RGB, name="color"), server_default="red")
            ),
        ),
        things(
            more=lambda m: sa.Table(
                "less", m, sa.Column("a", sa.Enum(*RG, name="color"), server_default="red")
            ),
        ),
        ROWS,
        ("rename=more:less", "allow-drop=color.blue"),
    ),
}


# What has to go before a type can be recreated, and what the refusal calls it.
OBSTACLES = {
    "CREATE VIEW bright AS SELECT color FROM things": "view bright",
    "CREATE VIEW bright AS SELECT id FROM things WHERE color = 'red'": "view bright",
    "CREATE MATERIALIZED VIEW bright AS SELECT color FROM things": "materialized view bright",
    "CREATE FUNCTION paint(color) RETURNS int LANGUAGE sql AS 'SELECT 1'": "function paint(color)",
    "CREATE DOMAIN tone AS color": "type tone",
    "CREATE TYPE pair AS (one color)": "composite type pair",
    "CREATE POLICY bright ON things USING (color = 'red')": "policy bright on table things",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER bright BEFORE UPDATE ON things FOR EACH ROW"
    " WHEN (NEW.color = 'red') EXECUTE FUNCTION f()": "trigger bright on table things",
    "ALTER TABLE things ADD is_red bool GENERATED ALWAYS AS (color = 'red') STORED": (
        "generated column things.is_red"
    ),
    "CREATE TABLE parts (color color) PARTITION BY LIST (color)": "partition key parts.color",
}


@pytest.mark.parametrize(("sql", "name"), OBSTACLES.items(), ids=OBSTACLES.values())
def test_a_value_is_not_removed_while_something_uses_it_that_cannot_be_rebuilt(
    evolution: Evolution, sql: str, name: str
) -> None:
    begin(evolution, Change(things(column(THREE)), things(column(TWO)), f"{sql};{RED}"))
    evolution.options = {"include_object": only_things}
    try:
        with pytest.raises(CommandError) as refusal:
            evolution.revise("allow-drop=color.blue")
        assert f"Postgres does not allow that while these use it: {name}." in str(refusal.value)
        assert len(evolution.versions) == 1
        # A value is added whatever uses the enum, and stays on the way back.
        evolution.use(things(column(color("red", "pink", "green", "blue"))))
        go_on(evolution)
    finally:
        evolution.options = {}


def only_things(_: object, name: str | None, kind: str, *_more: object) -> bool:
    """Compare one table, and of its columns those of the models."""
    return not (kind == "table" and name != "things") and not (
        kind == "column" and name == "is_red"
    )


def keyed(*parts: Any, more: Things | None = None) -> Things:
    """A table with this key."""

    def models(metadata: sa.MetaData) -> None:
        kept = sa.Column("kept", sa.Text, server_default="kept")
        sa.Table("things", metadata, *[part() for part in parts], kept)
        if more:
            more(metadata)

    return models


def key(*of: Any, type_: Any = sa.Integer, **options: Any) -> Callable[[], Any]:
    """A key."""
    options.setdefault("primary_key", True)
    return lambda: sa.Column("id", type_, *[each() for each in of], **options)


def identity(**options: Any) -> Callable[[], Any]:
    """An identity."""
    return lambda: sa.Identity(**options)


def refers(type_: Any) -> Things:
    """A table whose foreign key refers to the things."""
    return lambda metadata: sa.Table(
        "parts",
        metadata,
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("thing_id", type_, sa.ForeignKey("things.id")),
    )


SERIAL = key()
IDENTITY = key(identity())
PLAIN = key(autoincrement=False)
BIG_IDENTITY = key(identity(), type_=sa.BigInteger)
MANY = "INSERT INTO things (kept) SELECT 'kept' FROM generate_series(1, 7)"
NUMBERED = "INSERT INTO things (id) SELECT generate_series(1, 7)"

KEYS = {
    "bigger identity": Change(keyed(IDENTITY), keyed(BIG_IDENTITY), MANY),
    "bigger serial": Change(keyed(SERIAL), keyed(key(type_=sa.BigInteger)), MANY),
    "bigger key that is referred to": Change(
        keyed(IDENTITY, more=refers(sa.Integer)),
        keyed(BIG_IDENTITY, more=refers(sa.BigInteger)),
        MANY,
    ),
    "bigger serial, referred to": Change(
        keyed(SERIAL, more=refers(sa.Integer)),
        keyed(key(type_=sa.BigInteger), more=refers(sa.BigInteger)),
        MANY,
    ),
    "smaller serial": Change(
        keyed(key(type_=sa.BigInteger)), keyed(key(type_=sa.SmallInteger)), MANY
    ),
    "serial to identity": Change(keyed(SERIAL), keyed(IDENTITY), MANY),
    "serial to bigger identity": Change(keyed(SERIAL), keyed(BIG_IDENTITY), MANY),
    "identity to serial": Change(keyed(IDENTITY), keyed(SERIAL), MANY),
    "identity to bigger serial": Change(keyed(IDENTITY), keyed(key(type_=sa.BigInteger)), MANY),
    "plain to identity": Change(keyed(PLAIN), keyed(IDENTITY), NUMBERED),
    "identity to plain": Change(keyed(IDENTITY), keyed(PLAIN), MANY),
    **{
        f"identity with {' and '.join(map(str, options))}": Change(
            keyed(IDENTITY), keyed(key(identity(**options))), MANY
        )
        for options in (
            {"always": True},
            {"start": 100},
            {"increment": 5},
            {"minvalue": -10, "start": 1},
            {"maxvalue": 1000, "cycle": True},
            {"cache": 20},
            {"always": True, "start": 100, "increment": 2, "maxvalue": 9999, "cycle": True},
        )
    },
    "identity with fewer options": Change(
        keyed(key(identity(always=True, start=10, increment=2, maxvalue=9999, cycle=True))),
        keyed(IDENTITY),
        "INSERT INTO things DEFAULT VALUES",
    ),
    "identity of a table in capitals": Change(
        lambda m: sa.Table("Things", m, sa.Column("Id", sa.Integer, primary_key=True)),
        lambda m: sa.Table(
            "Things", m, sa.Column("Id", sa.Integer, sa.Identity(), primary_key=True)
        ),
        'INSERT INTO "Things" DEFAULT VALUES',
    ),
    "serial of another schema": Change(
        lambda m: sa.Table(
            "things", m, sa.Column("id", sa.Integer, primary_key=True), schema="sales"
        ),
        lambda m: sa.Table(
            "things",
            m,
            sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
            schema="sales",
        ),
        "INSERT INTO sales.things DEFAULT VALUES",
    ),
}


class Pair(sa.types.UserDefinedType[Any]):
    """A composite type."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type in SQL."""
        return "pair"


class Pairs(Pair):
    """An array of it."""

    def get_col_spec(self, **_: Any) -> str:
        """The type in SQL."""
        return "pair[]"


def domain(name: str = "positive", **options: Any) -> Callable[[], Any]:
    """A domain."""
    options.setdefault("check", "VALUE > 0")
    return lambda: pg.DOMAIN(name, sa.Integer, **options)


def booking(metadata: sa.MetaData) -> None:
    """A table with an exclusion constraint."""
    sa.Table(
        "bookings",
        metadata,
        sa.Column("code", sa.Text),
        sa.Column("during", pg.INT4RANGE),
        pg.ExcludeConstraint(
            ("code", "="), name="ex_code", using="btree", ops={"code": "text_pattern_ops"}
        ),
    )


def with_sequence(*, registered: bool, **options: Any) -> Things:
    """A table whose numbers come from a sequence of its own."""

    def models(metadata: sa.MetaData) -> None:
        owner = metadata if registered else None
        numbers = sa.Sequence("Numbers", start=100, metadata=owner, **options)
        things(
            lambda: sa.Column(
                "number",
                sa.Integer,
                numbers,
                server_default=numbers.next_value() if registered else None,
            )
        )(metadata)

    return models


PAIR = "CREATE TYPE pair AS (a int, b text)"
TYPES = {
    "identity that is no key": Change(
        keyed(IDENTITY, lambda: sa.Column("Number", sa.Integer, nullable=True)),
        keyed(IDENTITY, lambda: sa.Column("Number", sa.Integer, sa.Identity(start=100))),
        """INSERT INTO things ("Number") VALUES (12)""",
    ),
    "identity that counts down": Change(
        keyed(IDENTITY),
        keyed(key(identity(increment=-1, minvalue=-100, maxvalue=100))),
        "INSERT INTO things (id) VALUES (50); SELECT setval('things_id_seq', 20)",
    ),
    "column of a composite type": Change(
        things(), things(column(Pair), column(Pairs, "many")), ROWS, setup=PAIR
    ),
    "column of a composite type, dropped": Change(
        things(column(Pair), column(Pairs, "many")), things(), ROWS, ("allow-drop",), setup=PAIR
    ),
    "column of a composite type, renamed": Change(
        things(column(Pair)),
        things(column(Pair, "pair")),
        ROWS,
        ("rename=things.color:pair",),
        setup=PAIR,
    ),
    "table with a composite type, dropped": Change(
        things(more=lambda m: sa.Table("pairs", m, sa.Column("a", Pair()))),
        things(),
        ROWS,
        ("allow-drop",),
        setup=PAIR,
    ),
    "composite type to text": Change(things(column(Pair)), things(column(text)), ROWS, setup=PAIR),
    "decorated string": Change(things(), things(column(Short)), ROWS),
    "decorated string of another length": Change(
        things(column(lambda: sa.String(5))), things(column(Short)), RED
    ),
    "nested class": Change(things(), things(column(lambda: Outer.Inner(9))), ROWS),
    "nested class, unchanged type": Change(
        things(column(lambda: sa.String(9))),
        things(column(lambda: Outer.Inner(9)), column(text, "a")),
        ROWS,
    ),
    "type with a variant": Change(
        things(),
        things(
            column(lambda: sa.JSON().with_variant(pg.JSONB(), "postgresql"), "a"),
            column(lambda: sa.String(5).with_variant(sa.Text(), "sqlite"), "b"),
            column(lambda: sa.Text().with_variant(sa.Enum(*RG, name="color"), "postgresql"), "c"),
            column(lambda: Short().with_variant(pg.ARRAY(Short()), "postgresql"), "d"),
        ),
        ROWS,
    ),
    "array of arrays": Change(
        things(), things(column(lambda: pg.ARRAY(sa.String(5), dimensions=2))), ROWS
    ),
    "domain": Change(things(), things(column(domain())), ROWS),
    "domain with all options": Change(
        things(),
        things(
            column(
                lambda: pg.DOMAIN(
                    "Zip Code",
                    sa.Text,
                    schema="types",
                    check=sa.text("VALUE ~ '^[0-9]{5}$' AND VALUE <> 'a:b'"),
                    constraint_name="zip_is_five",
                    default="'00000'",
                    not_null=True,
                    collation="C",
                ),
                server_default="11111",
            )
        ),
        ROWS,
    ),
    "domain, dropped": Change(
        things(column(domain(), server_default="7")), things(), ROWS, ("allow-drop",)
    ),
    "number to domain": Change(
        things(column(lambda: sa.Integer(), server_default="7")),
        things(column(domain(), server_default="7")),
        ROWS,
    ),
    "domain of an enum": Change(
        things(),
        things(
            column(lambda: pg.DOMAIN("warm", sa.Enum(*RG, name="color"), check="VALUE <> 'green'"))
        ),
        ROWS,
    ),
    "domain in two tables": Change(
        things(),
        things(
            column(domain()),
            more=lambda m: sa.Table(
                "more",
                m,
                sa.Column("a", pg.ARRAY(pg.DOMAIN("positive", sa.Integer, check="VALUE > 0"))),
            ),
        ),
        ROWS,
    ),
    "exclusion constraint": Change(things(), things(more=booking), ROWS),
    "exclusion constraint, dropped": Change(
        things(more=booking), things(), "INSERT INTO bookings (code) VALUES (1)", ("allow-drop",)
    ),
    "sequence": Change(things(), with_sequence(registered=False), ROWS),
    "sequence as a server default": Change(things(), with_sequence(registered=True), ROWS),
    "sequence with options": Change(
        things(),
        with_sequence(
            registered=True, increment=5, maxvalue=10_000, cycle=True, data_type=sa.Integer
        ),
        ROWS,
    ),
    "sequence of another schema": Change(
        things(), with_sequence(registered=True, schema="types"), ROWS
    ),
}


@pytest.fixture(scope="module", params=["asyncpg", pytest.param("psycopg", marks=pytest.mark.full)])
def evolution(
    server: Database, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Evolution]:
    """A history that each case begins again."""
    with server.another(f"types_{request.param}_{os.getpid()}") as database:
        yield Evolution(tmp_path_factory.mktemp("types"), database, request.param)


@pytest.fixture(scope="module")
def on_psycopg(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evolution]:
    """The same with the other driver."""
    with server.another(f"types_some_{os.getpid()}") as database:
        yield Evolution(tmp_path_factory.mktemp("types"), database, "psycopg")


# Where the drivers differ: percent signs, colons, arrays, types.
DRIVERS = [
    *(change for name, change in ENUMS.items() if "escaping" in name or "all that" in name),
    *(KEYS["serial to identity"], TYPES["domain with all options"]),
    TYPES["column of a composite type"],
]


@pytest.mark.parametrize("change", DRIVERS)
def test_psycopg_does_the_same(on_psycopg: Evolution, change: Change) -> None:
    go_up_and_down(on_psycopg, change)


@campaign("change", ENUMS, keep=[*ENUMS][::3])
def test_a_change_of_an_enum_goes_up_and_down(evolution: Evolution, change: Change) -> None:
    go_up_and_down(evolution, change)


UUID, DAY = (
    "INSERT INTO things (color) VALUES ('00000000-0000-0000-0000-000000000001')",
    "INSERT INTO things (color) VALUES ('2020-01-01')",
)


def used(kind: Any, *parts: Any) -> Things:
    """A column that an index, a check or a generated column uses, and which none of them names."""
    return things(column(kind, server_default="red"), *parts)


PARTIAL = index("id", postgresql_where=sa.text("color = 'red'"))
LISTED = check("color IN ('red', 'green')")
CASTS = {
    "text in a partial index to enum": Change(used(text, PARTIAL), used(TWO, PARTIAL), RED),
    "text in a check to enum": Change(used(text, LISTED), used(TWO, LISTED), RED),
    "enum in a partial index to text": Change(used(TWO, PARTIAL), used(text, PARTIAL), RED),
    "text in an index to enum": Change(used(text, index("color")), used(TWO, index("color")), RED),
    "text in an index on an expression to enum": Change(
        used(text, index("(color = 'red')")), used(TWO, index("(color = 'red')")), RED
    ),
    "text to uuid": Change(things(column(text)), things(column(sa.Uuid)), UUID),
    "uuid to text": Change(things(column(sa.Uuid)), things(column(text)), UUID),
    "uuid with a default to text": Change(
        things(column(sa.Uuid, server_default=sa.func.gen_random_uuid())),
        things(column(text, server_default="none")),
        UUID,
    ),
    "text with a default to a date": Change(
        things(column(text, server_default="2021-01-01")),
        things(column(sa.Date, server_default=sa.func.current_date())),
        DAY,
    ),
    "text to json": Change(
        things(column(text)), things(column(pg.JSONB)), "INSERT INTO things (color) VALUES ('1')"
    ),
    "text to an array": Change(
        things(column(text)),
        things(column(lambda: pg.ARRAY(text))),
        "INSERT INTO things (color) VALUES ('{a}')",
    ),
    "integer to boolean": Change(
        things(column(sa.Integer)),
        things(column(sa.Boolean)),
        "INSERT INTO things (color) VALUES (1)",
    ),
}


@campaign("change", CASTS, keep=["uuid with a default to text", "integer to boolean"])
def test_a_change_that_needs_a_cast_goes_up_and_down(evolution: Evolution, change: Change) -> None:
    go_up_and_down(evolution, change)


def test_a_change_without_a_cast_says_what_to_write(evolution: Evolution) -> None:
    begin(evolution, Change(things(column(sa.Integer)), things(column(sa.Uuid)), ROWS))
    evolution.use(things(column(sa.Uuid)))
    written = " ".join(evolution.revise().replace("#", "").split())
    assert "Postgres has no cast that converts things.color to UUID. Add an expression" in written


@campaign("change", TYPES, keep=[*TYPES][::3])
def test_a_change_of_a_type_goes_up_and_down(evolution: Evolution, change: Change) -> None:
    go_up_and_down(evolution, change)


def test_an_exclusion_constraint_keeps_its_operator_class(evolution: Evolution) -> None:
    change = Change(things(more=booking), things(), "", ("allow-drop=bookings",))
    begin(evolution, change)
    [definition] = [row[3] for row in evolution.snapshot() if row[2] == "ex_code"]
    assert "text_pattern_ops" in definition
    assert "text_pattern_ops" in go_on(evolution, *change.words)


@campaign("change", KEYS, keep=[*KEYS][::3])
def test_a_change_of_a_key_goes_up_and_down_and_the_numbers_go_on(
    evolution: Evolution, change: Change
) -> None:
    begin(evolution, change)
    before = evolution.snapshot()
    [table] = {row[1] for row in before if row[0] == "column"} - {"parts"}
    evolution.revise()
    for _ in range(2):
        evolution.alembic("upgrade", "head")
        evolution.alembic("check")
        add_row(evolution, table, change.after)
        evolution.alembic("downgrade", FIRST)
        assert evolution.snapshot() == before
        add_row(evolution, table, change.before)


def add_row(evolution: Evolution, table: str, models: Things) -> None:
    """Add a row as a service does that leaves the number to the database."""
    metadata = sa.MetaData()
    models(metadata)
    [found] = [each for each in metadata.tables.values() if each.name.lower() == "things"]
    [primary] = found.primary_key
    if primary.autoincrement is False:
        statement = f"INSERT INTO {table} (id) SELECT max(id) + 1 FROM {table}"
    else:
        statement = f"INSERT INTO {table} DEFAULT VALUES"
    evolution.execute(statement)


LEFT_ALONE = {
    "of a function": "CREATE TYPE mood AS ENUM ('sad');"
    "CREATE FUNCTION f(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "of a view": "CREATE TYPE mood AS ENUM ('sad'); CREATE VIEW v AS SELECT 'sad'::mood AS mood",
    "of a domain": "CREATE TYPE mood AS ENUM ('sad'); CREATE DOMAIN gloom AS mood",
    "of an excluded table": "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE other (mood mood)",
    "of another schema": "CREATE SCHEMA other; CREATE TYPE other.mood AS ENUM ('sad')",
    "of an extension": "CREATE EXTENSION moods",
}


@pytest.mark.parametrize("sql", LEFT_ALONE.values(), ids=LEFT_ALONE.keys())
def test_an_enum_of_something_else_is_left_alone(evolution: Evolution, sql: str) -> None:
    if (
        "EXTENSION" in sql
    ):  # an extension needs files on the server; this is what makes it the owner
        sql = (
            "CREATE TYPE mood AS ENUM ('sad'); INSERT INTO pg_depend SELECT 'pg_type'::regclass,"
            " 'mood'::regtype, 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension LIMIT 1"
        )
    evolution.options = {"include_object": only_things}
    try:
        begin(evolution, Change(things(), things(), sql))
        evolution.alembic("check")
        evolution.execute("DELETE FROM pg_depend WHERE deptype = 'e' AND objid > 16384")
    finally:
        evolution.options = {}


def test_one_query_reads_all_enums(evolution: Evolution) -> None:
    def models(metadata: sa.MetaData) -> None:
        sa.Table(
            "things", metadata, *[column(color(*RG, name=f"e{n}"), f"c{n}")() for n in range(9)]
        )

    begin(evolution, Change(models, models))
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        evolution.alembic("check")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    ours = [each for each in statements if each.split() == str(enums.ENUMS).split()]
    assert len(ours) == 1
    assert not [each for each in statements if "pg_depend" in each and "pg_describe_object" in each]


def test_a_renamed_value_and_a_renamed_enum_are_offered(evolution: Evolution) -> None:
    begin(evolution, Change(things(column(TWO)), things(column(color("crimson", "green"))), RED))
    with pytest.raises(CommandError, match=r"If you renamed it: -x rename=color\.red:crimson\."):
        evolution.revise()
    evolution.use(things(column(color(*RG, name="hue"))))
    evolution.revise()
    assert "If you renamed it: -x rename=color:hue" in evolution.said


def test_two_enums_of_one_name_are_an_error_that_names_both(evolution: Evolution) -> None:
    begin(evolution, Change(things(), things(column(TWO), column(THREE, "other"))))
    with pytest.raises(CommandError) as raised:
        evolution.revise()
    assert "two enums with the name color: things.color has red, green" in str(raised.value)


def test_the_sql_of_a_replaced_enum_is_complete_without_a_database(evolution: Evolution) -> None:
    condition = check("color <> 'green' OR id > 0")
    before = things(column(THREE, server_default="red"), condition)
    after = things(column(TWO, server_default="green"), condition)
    begin(evolution, Change(before, after, RED))
    evolution.revise(*DROP_BLUE)
    [second] = [path for path in evolution.versions if FIRST not in path.name]
    sql = evolution.alembic("upgrade", f"{FIRST}:{second.stem.partition('_')[0]}", "--sql")
    assert "ALTER TABLE things ALTER COLUMN color TYPE color USING color::text::color;" in sql
    evolution.execute(sql)
    evolution.alembic("check")


def test_what_is_not_python_is_never_written(evolution: Evolution) -> None:
    begin(evolution, Change(things(), things(column(text))))
    evolution.options = {
        "render_item": lambda kind, *_: "<Color.RED: 1>" if kind == "type" else False
    }
    try:
        with pytest.raises(CommandError) as refusal:
            evolution.revise()
        assert "AddColumnOp for things.color would be written as" in str(refusal.value)
        assert "which is not Python" in str(refusal.value)
    finally:
        evolution.options = {}
    with pytest.raises(CommandError, match="cannot stand in the docstring"):
        evolution.alembic("revision", "--autogenerate", "-m", 'say """ x')
    assert len(evolution.versions) == 1
    go_on(evolution)


def test_a_new_value_is_not_called_a_drop(evolution: Evolution) -> None:
    begin(evolution, Change(things(column(TWO)), things(column(THREE), column(text, "a"))))
    evolution.revise()
    messages = {path.read_text().splitlines()[0] for path in evolution.versions}
    assert messages == {'"""change', '"""change: new enum values'}


OLD_REVISION = """
import sqlalchemy as sa
from alembic import op
from alembic_postgresql_enum import TableReference

revision = "second"
down_revision = "first"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_enum_value(enum_schema="public", enum_name="color", new_value="blue")
    op.add_column("things", sa.Column("size", sa.Integer))


def downgrade() -> None:
    op.drop_column("things", "size")
    op.sync_enum_values(
        enum_schema="public",
        enum_name="color",
        new_values=["red", "green"],
        affected_columns=[TableReference(table_schema="public", table_name="things", column_name="color")],
        enum_values_to_rename=[],
    )
"""


def test_a_revision_of_alembic_postgresql_enum_goes_on_working(evolution: Evolution) -> None:
    with_size = things(column(THREE), column(sa.Integer, "size"))
    begin(evolution, Change(things(column(TWO)), with_size, RED))
    versions = evolution.folder / "migrations" / "versions"
    (versions / "second.py").write_text(OLD_REVISION)
    for _ in range(2):
        evolution.alembic("upgrade", "second")
        evolution.alembic("check")
        evolution.alembic("downgrade", FIRST)
    evolution.alembic("upgrade", "head")
    # Its import registers its own comparison, which finds nothing.
    evolution.use(things(column(color("red", "pink", "green")), column(sa.Integer, "size")))
    text = go_on(evolution, "allow-drop=color.blue")
    assert text.count("CREATE TYPE color AS ENUM") == 2
    assert "sync_enum_values" not in text


def go_up_and_down(evolution: Evolution, change: Change) -> str:
    """Make a change, undo it, and make it again."""
    begin(evolution, change)
    before = evolution.snapshot()
    text = go_on(evolution, *change.words)
    evolution.alembic("downgrade", FIRST)
    assert evolution.snapshot() == before
    evolution.alembic("upgrade", "head")
    return text


def begin(evolution: Evolution, change: Change) -> None:
    """Migrate to the models before a change, and take those after it."""
    evolution.clear()
    evolution.execute(change.setup or "SELECT 1")
    evolution.use(change.before, schema=change.schema)
    evolution.revise()
    evolution.alembic("upgrade", "head")
    evolution.alembic("check")
    evolution.execute(change.sql or "SELECT 1")
    evolution.use(change.after, schema=change.schema)


def go_on(evolution: Evolution, *words: str) -> str:
    """Write the revisions, and go up, down and up again. No difference is left."""
    text = evolution.revise(*words)
    evolution.alembic("upgrade", "head")
    evolution.alembic("check")
    after = evolution.snapshot()
    evolution.alembic("downgrade", FIRST)
    evolution.alembic("upgrade", "head")
    evolution.alembic("check")
    assert evolution.snapshot() == after
    return text
