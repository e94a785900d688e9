"""Changes that public bug reports of Alembic tell of: the models before and after, on rows."""

from dataclasses import dataclass

HEAD = """import enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from {base} import Base
"""

# Ten thousand rows, for a table that has a key and a column `touched`.
THINGS = "INSERT INTO things (touched) SELECT 0 FROM generate_series(1, 10000)"


@dataclass(frozen=True)
class Situation:
    """A change of models."""

    before: str  # the source of the models, after HEAD
    after: str
    rows: str = THINGS
    x: tuple[str, ...] = ()  # the arguments of `-x`, where alembic-live asks for them
    # SQL of a second revision, that no model expresses: statements, and those of its downgrade.
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()
    values: str = ""  # for tests/values.toml: what the rows of the gate need


def table(*lines: str, name: str = "things", key: str = "", head: str = "", tail: str = "") -> str:
    """The source of a table of models with a key, `touched`, and further lines of its class."""
    key = key or "id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)"
    touched = 'touched: Mapped[int] = mapped_column(server_default=sa.text("0"))'
    body = "\n    ".join([f'__tablename__ = "{name}"', *lines, key, touched])
    return f"{head}\n\nclass Thing(Base):\n    {body}\n{tail}"


def args(*arguments: str) -> str:
    """The line with a table's constraints and indexes."""
    return f"__table_args__ = ({', '.join(arguments)},)"


def column(name: str, type_: str, *options: str) -> str:
    """The line of a column."""
    return f"{name}: Mapped[Any] = mapped_column({', '.join([type_, *options])})"


def enum(*labels: str, name: str = "state", more: str = "") -> str:
    """A native enum."""
    return f"sa.Enum({', '.join(map(repr, labels))}, name={name!r}{more})"


def default(sql: str) -> str:
    """A server default that is SQL."""
    return f"server_default=sa.text({sql!r})"


def related(of: str, reference: str, name: str = "children") -> str:
    """A second table, that refers to the things."""
    return (
        f"\n\nclass Child(Base):\n    __tablename__ = {name!r}\n"
        "    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)\n"
        f"    {of}: Mapped[int | None] = mapped_column({reference})\n"
    )


IDENTITY = "id: Mapped[int] = mapped_column({}sa.Identity({}), primary_key=True)".format
SERIAL = "id: Mapped[int] = mapped_column({}primary_key=True)".format
PLAIN = "id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)"
NUMBERED = "INSERT INTO things (id, touched) SELECT n, 0 FROM generate_series(1, 10000) n"
CHILD = 'sa.ForeignKey("things.id", name="fk_children_thing")'
CHILDREN = f"{THINGS}; INSERT INTO children (thing_id) SELECT id FROM things"
PLAN, ITEMS = "subscription_plan_id_of_the_customer", "customer_subscription_items"
LONG = "subscription_plan_of_the_customer_that_has_a_long_name_{}_and_more"
STATE = column("state", enum("open", "done"), default("'open'"))
KNOWN = '[things]\nstate = ["open"]\n'
MORE = column("state", enum("open", "late", "done"), default("'open'"))
FEWER = column("state", enum("open", "done"), default("'open'"))
SPARE = column("state", enum("open", "done", "spare"), default("'open'"))
EXTRA = column("extra", "sa.Integer", "nullable=True")
DECORATOR = """

class Words(sa.types.TypeDecorator):
    impl = {impl}
    cache_ok = True

    def __init__(self, {parameter}*words, **options):
        super().__init__(*words, **options)
"""
UNKNOWN = """

class Box(UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **_):
        return "box"
"""
CYCLE = """

class Hen(Base):
    __tablename__ = "hens"
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    egg_id: Mapped[int | None] = mapped_column(sa.ForeignKey("eggs.id", name="fk_hens_egg"))


class Egg(Base):
    __tablename__ = "eggs"
    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    hen_id: Mapped[int | None] = mapped_column(sa.ForeignKey("hens.id", name="fk_eggs_hen"))
"""
HENS = "INSERT INTO hens DEFAULT VALUES; INSERT INTO eggs (hen_id) SELECT id FROM hens"
SUMS = """

class Sum(Base):
    __tablename__ = "sums"
    __table_args__ = (sa.Index("ix_sums", "id", unique=True), {"info": {"is_view": True}})
    id: Mapped[int] = mapped_column(primary_key=True)
    touched: Mapped[int]
"""
FULL = (
    'sa.ForeignKey("things.id", name="fk_children_thing", deferrable=True, '
    'initially="DEFERRED", onupdate="CASCADE", match="FULL")'
)
VIEW = "CREATE VIEW old_things AS SELECT id, label FROM things"
LABEL = column("label", "sa.Text", default("'it'"))


def _plain(before: str, after: str, **options: object) -> Situation:
    """A change of the lines of one column."""
    return Situation(table(before), table(after), **options)  # type: ignore[arg-type]


def _beside(argument: str, *lines: str) -> Situation:
    """Something that Postgres stores as another text, and another column that is new."""
    return Situation(table(args(argument), *lines), table(args(argument), *lines, EXTRA))


def _new(*lines: str, head: str = "", **options: object) -> Situation:
    """Lines that are new."""
    return Situation(table(head=head), table(*lines, head=head), **options)  # type: ignore[arg-type]


SITUATIONS = {
    # Keys and numbers
    "int key of identity becomes bigint": Situation(
        table(key=IDENTITY("", "")), table(key=IDENTITY("sa.BigInteger, ", ""))
    ),
    "serial key becomes bigint": Situation(
        table(key=SERIAL("")), table(key=SERIAL("sa.BigInteger, "))
    ),
    "key and the key that refers to it become bigint": Situation(
        table(key=SERIAL("")) + related("thing_id", CHILD),
        table(key=SERIAL("sa.BigInteger, ")) + related("thing_id", f"sa.BigInteger, {CHILD}"),
        rows=CHILDREN,
    ),
    "plain key becomes identity": Situation(
        table(key=PLAIN), table(key=IDENTITY("", "")), rows=NUMBERED
    ),
    "serial becomes identity": Situation(table(key=SERIAL("")), table(key=IDENTITY("", ""))),
    "identity becomes serial": Situation(table(key=IDENTITY("", "")), table(key=SERIAL(""))),
    "other options of identity": Situation(
        table(key=IDENTITY("", "")), table(key=IDENTITY("", "always=True, increment=10"))
    ),
    # Names
    "foreign key, its name by convention": Situation(
        table() + related(PLAN, "", name=ITEMS),
        table() + related(PLAN, 'sa.ForeignKey("things.id")', name=ITEMS),
    ),
    "index, its name by convention": Situation(
        table() + related(PLAN, "", name=ITEMS), table() + related(PLAN, "index=True", name=ITEMS)
    ),
    "unique constraint, its name by convention": Situation(
        table() + related(PLAN, "", name=ITEMS), table() + related(PLAN, "unique=True", name=ITEMS)
    ),
    "check, its name by convention": Situation(
        table() + related(PLAN, "", name=ITEMS),
        table()
        + related(PLAN, f'sa.CheckConstraint("{PLAN} > 0", name="{PLAN}_is_positive")', name=ITEMS),
    ),
    "chosen name of 66 bytes": _new(args(f'sa.Index("{LONG.format("ix")}", "touched")')),
    "table of 65 bytes": Situation(
        table(), table() + related("thing_id", CHILD, name=LONG.format("t"))
    ),
    "name of two-byte letters": _new(args(f'sa.Index("{"ä" * 40}", "touched")')),
    # Enums
    "text with a default becomes an enum": _plain(
        column("state", "sa.Text", default("'open'")), STATE, values=KNOWN
    ),
    "enum with a default becomes text": _plain(
        STATE, column("state", "sa.Text", default("'open'"))
    ),
    "array of text becomes an array of enum": _plain(
        column("state", "sa.ARRAY(sa.Text)", default("'{open}'")),
        column("state", f"sa.ARRAY({enum('open', 'done')})", default("'{open}'")),
    ),
    "enum has another name": _plain(
        STATE, column("state", enum("open", "done", name="progress"), default("'open'"))
    ),
    "value added beside a partial index": Situation(
        table(
            STATE, args("sa.Index('ix_open', 'id', postgresql_where=sa.text(\"state = 'open'\"))")
        ),
        table(
            MORE, args("sa.Index('ix_open', 'id', postgresql_where=sa.text(\"state = 'open'\"))")
        ),
    ),
    "value removed beside a partial index": Situation(
        table(
            SPARE, args("sa.Index('ix_open', 'id', postgresql_where=sa.text(\"state = 'open'\"))")
        ),
        table(
            FEWER, args("sa.Index('ix_open', 'id', postgresql_where=sa.text(\"state = 'open'\"))")
        ),
        x=("allow-drop=state.spare",),
    ),
    "value removed beside a check": Situation(
        table(SPARE, args("sa.CheckConstraint(\"state <> 'done' OR id > 0\", name='state_known')")),
        table(FEWER, args("sa.CheckConstraint(\"state <> 'done' OR id > 0\", name='state_known')")),
        x=("allow-drop=state.spare",),
    ),
    "value removed beside a generated column": Situation(
        table(
            SPARE,
            column("is_open", "sa.Boolean", "sa.Computed(\"state = 'open'\", persisted=True)"),
        ),
        table(
            FEWER,
            column("is_open", "sa.Boolean", "sa.Computed(\"state = 'open'\", persisted=True)"),
        ),
        x=("allow-drop=state.spare",),
    ),
    "value removed beside a view": Situation(
        table(SPARE),
        table(FEWER),
        more=("CREATE VIEW open_things AS SELECT id, state FROM things WHERE state = 'open'",),
        less=("DROP VIEW open_things",),
        x=("allow-drop=state.spare",),
    ),
    "value added and used as a default": _plain(
        STATE,
        column("state", enum("open", "late", "done"), default("'late'"))
        + "\n    "
        + column("other", enum("open", "late", "done"), default("'late'")),
    ),
    "enum of another schema": Situation(
        table(),
        table(
            column("state", enum("open", name="kind", more=", schema='words'"), default("'open'"))
        ),
        more=("CREATE SCHEMA words",),
        less=("DROP SCHEMA words",),
    ),
    "values_callable": _plain(
        column("touch", "sa.Text", default("'red'")),
        column(
            "touch",
            "sa.Enum(enum.Enum('Color', {'RED': 'red'}), name='color',"
            " values_callable=lambda kind: [each.value for each in kind])",
            default("'red'"),
        ),
        values='[things]\ntouch = ["red"]\n',
    ),
    "label with a quote and a percent sign": _new(
        column("state", 'sa.Enum("it\'s", "50% off", name="label")', default("'50% off'"))
    ),
    "ENUM with create_type=False": Situation(
        table(),
        table(
            column(
                "state",
                "postgresql.ENUM('open', name='given', create_type=False)",
                default("'open'"),
            )
        ),
        more=("CREATE TYPE given AS ENUM ('open')",),
        less=("DROP TYPE given",),
    ),
    # Server defaults
    "default of a json column": _plain(
        column("data", "sa.JSON", """server_default='{"a": 1}'"""),
        column("data", "sa.JSON", """server_default='{"a": 2}'"""),
    ),
    "text whose default is a uuid": _plain(
        column("data", "sa.Text", default("gen_random_uuid()")),
        column("data", "sa.Text", default("gen_random_uuid()")) + "\n    " + EXTRA,
    ),
    "default with a quote, a backslash, % and a colon": _plain(
        column("data", "sa.Text", r"""server_default="it's 100% of \\ a:b" """),
        column("data", "sa.Text", r"""server_default="it's 99% of \\ a:b" """),
    ),
    "default of current_setting": _plain(
        column("data", "sa.Text", default("current_setting('app.user', true)"), "nullable=True"),
        column("data", "sa.Text", default("current_setting('app.user', true)"), "nullable=True")
        + "\n    "
        + EXTRA,
    ),
    "default of nextval": Situation(
        table(
            column(
                "data",
                "sa.Integer",
                'sa.Sequence("numbers")',
                'server_default=sa.Sequence("numbers").next_value()',
            )
        ),
        table(
            column(
                "data",
                "sa.Integer",
                'sa.Sequence("numbers")',
                'server_default=sa.Sequence("numbers").next_value()',
            ),
            EXTRA,
        ),
    ),
    "default of NULL, and of a cast": _plain(
        column("data", "sa.Text", "server_default=sa.null()", "nullable=True")
        + "\n    "
        + column("size", "sa.Numeric(10, 2)", "server_default=sa.cast(7, sa.Numeric(10, 2))"),
        column("data", "sa.Text", "server_default=sa.null()", "nullable=True")
        + "\n    "
        + column("size", "sa.Numeric(10, 2)", "server_default=sa.cast(8, sa.Numeric(10, 2))"),
    ),
    # Types
    "unknown type, dropped column": Situation(
        table(),
        table(),
        more=("ALTER TABLE things ADD COLUMN place box",),
        less=("ALTER TABLE things DROP COLUMN place",),
        x=("allow-drop=things.place",),
    ),
    "unknown type, new column": _new(column("place", "Box", "nullable=True"), head=UNKNOWN),
    "decorator of an enum": _new(
        column("state", "Words('open', 'done', name='state')", default("'open'")),
        head=DECORATOR.format(impl="sa.Enum", parameter=""),
    ),
    "decorator with an argument that is not its type's": _new(
        column("state", "Words('red')", "nullable=True"),
        head=DECORATOR.format(impl="sa.String(20)", parameter="color, "),
    ),
    "domain": _new(
        column(
            "postcode",
            "postgresql.DOMAIN('postcode', sa.Text, check=sa.text('length(VALUE) = 5'))",
            "nullable=True",
        )
    ),
    # Renames and drops
    "renamed column with a unique constraint and a foreign key": Situation(
        table("label: Mapped[str | None] = mapped_column(unique=True)")
        + related(
            "label", 'sa.Text, sa.ForeignKey("things.label", name="fk_children_label")'
        ).replace("int |", "str |"),
        table("title: Mapped[str | None] = mapped_column(unique=True)")
        + related(
            "label", 'sa.Text, sa.ForeignKey("things.title", name="fk_children_label")'
        ).replace("int |", "str |"),
        x=("rename=things.label:title",),
    ),
    "renamed table with a serial key": Situation(
        table(key=SERIAL("")), table(key=SERIAL(""), name="items"), x=("rename=things:items",)
    ),
    "dropped tables of a cycle": Situation(
        table() + CYCLE, table(), rows=f"{THINGS}; {HENS}", x=("allow-drop=hens", "allow-drop=eggs")
    ),
    "new tables of a cycle": Situation(table(), table() + CYCLE),
    "check with IN stays": _beside(
        "sa.CheckConstraint(\"label IN ('it', 'more')\", name='known')", LABEL
    ),
    "check with BETWEEN and LIKE stays": _beside(
        "sa.CheckConstraint(\"touched BETWEEN 0 AND 90 OR label NOT LIKE 'a%'\", name='known')",
        LABEL,
    ),
    "partial index with NOT IN stays": _beside(
        "sa.Index('ix_known', 'id', postgresql_where=sa.text(\"label NOT IN ('a', 'b')\"))", LABEL
    ),
    "dropped foreign key with all options": Situation(
        table() + related("thing_id", FULL), table() + related("thing_id", ""), rows=CHILDREN
    ),
    "dropped table with comments, storage, an exclusion and a policy": Situation(
        table() + related("thing_id", CHILD),
        table(),
        rows=CHILDREN,
        more=(
            "COMMENT ON COLUMN children.thing_id IS 'its thing'",
            "ALTER TABLE children SET (fillfactor = 70)",
            "ALTER TABLE children ADD EXCLUDE USING btree (thing_id WITH =)",
            "CREATE POLICY all_of_it ON children USING (true)",
            "ALTER TABLE children ENABLE ROW LEVEL SECURITY",
        ),
        less=(
            "ALTER TABLE children DISABLE ROW LEVEL SECURITY",
            "DROP POLICY all_of_it ON children",
            "ALTER TABLE children DROP CONSTRAINT children_thing_id_excl",
            "ALTER TABLE children RESET (fillfactor)",
            "COMMENT ON COLUMN children.thing_id IS NULL",
        ),
        x=("allow-drop=children",),
    ),
    "index with a collation": _new(args("sa.Index('ix_c', sa.text('label COLLATE \"C\"'))"), LABEL),
    "index on a key of a document": _new(
        args("sa.Index('ix_key', sa.text(\"(data ->> 'key')\"))"),
        column("data", "postgresql.JSONB", default("'{}'")),
    ),
    "index with an operator class": _new(
        args("sa.Index('ix_ops', 'label', postgresql_ops={'label': 'text_pattern_ops'})"), LABEL
    ),
    "index on a function of two arguments": _new(
        args("sa.Index('ix_two', sa.text(\"coalesce(label, 'none')\"))"), LABEL
    ),
    "materialized view that becomes a model, with its index": Situation(
        table(),
        table(EXTRA, tail=SUMS),
        more=(
            "CREATE MATERIALIZED VIEW sums AS SELECT id, touched FROM things",
            "CREATE UNIQUE INDEX ix_sums ON sums (id)",
        ),
        less=("DROP MATERIALIZED VIEW sums",),
    ),
    "boolean with its check": _new(
        column("flag", "sa.Boolean(create_constraint=True, name='is_flag')", default("true"))
    ),
    "dropped column with an index and a view": Situation(
        table(LABEL, args("sa.Index('ix_label', 'label')")),
        table(),
        more=(VIEW,),
        less=("DROP VIEW old_things",),
        x=("allow-drop=things.label",),
    ),
    "dropped column with a generated one": Situation(
        table(LABEL, column("lower", "sa.Text", 'sa.Computed("lower(label)", persisted=True)')),
        table(),
        x=("allow-drop=things.label", "allow-drop=things.lower"),
    ),
}
