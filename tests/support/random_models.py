"""Models at random, and the models that a team makes of them: what SQLAlchemy can express, and what
Postgres can do on tables with rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg

Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class Kind:
    """What a column can be.

    Attributes:
        type_: makes the type.
        values: two literals, in the order of their sizes.
        defaults: server defaults.
        wider: the kinds that a column of this one can become.
        conditions: checks that the values satisfy, with `{}` for the column.
    """

    type_: Callable[[], Any]
    values: tuple[str, str]
    defaults: tuple[Any, ...]
    wider: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


NUMBER = ("{} > 0", "{} BETWEEN 0 AND 100", "{} IN (1, 2, 3)", "NOT {} = 7", "{} % 10 <> 9")
TEXT = (
    "{} <> ''",
    "{} IN ('a', 'b', 'it''s')",
    "{} NOT LIKE '%x'",
    "length({}) < 9",
    "{} ~ '^[ab]'",
)
WORDS = ("it's", "50% off", "back\\slash", "数", "", sa.text("upper('a')"), sa.text("'a' || 'b'"))

KINDS = {
    "smallint": Kind(
        sa.SmallInteger, ("1", "2"), ("7", sa.text("1 + 1")), ("int", "bigint"), NUMBER
    ),
    "int": Kind(
        sa.Integer, ("1", "2"), ("0", sa.text("length('abc')")), ("bigint", "numeric"), NUMBER
    ),
    "bigint": Kind(sa.BigInteger, ("1", "2"), (sa.text("-1"), "5"), ("numeric",), NUMBER),
    "numeric": Kind(
        lambda: sa.Numeric(10, 2),
        ("1", "2"),
        ("0.5", sa.text("round(1.5)")),
        ("precise",),
        NUMBER[:2],
    ),
    "precise": Kind(lambda: sa.Numeric(12, 4), ("1", "2"), ("0.25",), (), NUMBER[:2]),
    "double": Kind(sa.Double, ("1", "2"), (sa.text("0.5"), "1e3"), (), NUMBER[:2]),
    "short": Kind(lambda: sa.String(20), ("'a'", "'b'"), WORDS, ("long", "text"), TEXT),
    "long": Kind(lambda: sa.String(50), ("'a'", "'b'"), WORDS, ("text",), TEXT),
    "text": Kind(sa.Text, ("'a'", "'b'"), WORDS, (), TEXT),
    "char": Kind(lambda: sa.CHAR(3), ("'a'", "'b'"), ("x", sa.text("'y'")), ("text",), TEXT[:1]),
    "boolean": Kind(sa.Boolean, ("false", "true"), (sa.true(), "false", sa.text("1 = 1"))),
    "date": Kind(sa.Date, ("'2020-01-01'", "'2021-01-01'"), (sa.func.current_date(), "2020-02-02")),
    "time": Kind(sa.Time, ("'01:00'", "'02:00'"), ("12:30",)),
    "moment": Kind(
        lambda: sa.DateTime(timezone=True),
        ("'2020-01-01'", "'2021-01-01'"),
        (sa.func.now(), sa.text("CURRENT_TIMESTAMP - interval '1 day'"), "2020-01-01 00:00:00+00"),
    ),
    "interval": Kind(sa.Interval, ("'1 day'", "'2 days'"), (sa.text("'1 hour'"),)),
    "uuid": Kind(
        sa.Uuid,
        ("'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
        (sa.func.gen_random_uuid(), "00000000-0000-0000-0000-000000000003"),
        ("text",),
    ),
    "json": Kind(sa.JSON, ("'1'", "'{\"a\": 2}'"), ('{"a": 1}', sa.text("'[]'")), ("jsonb",)),
    "jsonb": Kind(pg.JSONB, ("'1'", "'{\"a\": 2}'"), ('{"a": "%"}', sa.text("'[]'"))),
    "bytes": Kind(sa.LargeBinary, ("'a'", "'b'"), (sa.text("'\\x00'"),)),
    "numbers": Kind(
        lambda: sa.ARRAY(sa.Integer), ("'{1}'", "'{2}'"), ("{}", sa.text("ARRAY[1, 2]"))
    ),
    "words": Kind(lambda: sa.ARRAY(sa.Text), ("'{a}'", "'{b}'"), ("{}", sa.text("'{it,''s}'"))),
    "address": Kind(pg.INET, ("'10.0.0.1'", "'10.0.0.2'"), ("127.0.0.1",)),
    "span": Kind(pg.INT4RANGE, ("'[1,2)'", "'[2,3)'"), ("empty", sa.text("int4range(1, 5)"))),
}
UNSORTED = ("json",)  # without an operator =
INDEXED_BY = {"jsonb": "gin", "numbers": "gin", "words": "gin", "span": "gist"}
NAMES = (
    *("a", "b", "code", "title", "rank", "state", "note"),
    *(
        "order",
        "select",
        "Mixed Case",
        'quo"te',
        "naïve",
        "a_rather_long_name_of_a_column_that_a_team_has",
    ),
)
TABLES = ("things", "users", "Order Lines", "customer_subscription_items_of_the_year", "group")
LABELS = ("open", "done", "it's", "50%", "Late", "ß")
ACTIONS = (None, "CASCADE", "SET NULL", "RESTRICT", "SET DEFAULT")


@dataclass(frozen=True)
class Column:
    """A column. `labels` are those of an enum, native or not."""

    name: str
    kind: str
    is_required: bool = False
    default: int | None = None  # the place in the kind's defaults
    comment: str | None = None
    labels: tuple[str, ...] = ()
    is_native: bool = True
    type_name: str = ""  # of an enum
    computed: str | None = None  # SQL
    target: str | None = None  # the key of the table that it references
    options: tuple[tuple[str, Any], ...] = ()  # of the foreign key

    def made(self, table: "Table") -> sa.Column[Any]:
        """The column of a model."""
        default: Any = None
        if self.default is not None:
            default = self.labels[0] if self.labels else KINDS[self.kind].defaults[self.default]
        extra: list[Any] = []
        if self.computed:
            extra.append(sa.Computed(self.computed, persisted=True))
        if self.target:
            extra.append(sa.ForeignKey(self.target, **dict(self.options)))
        return sa.Column(
            self.name, self.type_(table), *extra,
            nullable=not self.is_required, server_default=default, comment=self.comment,
        )  # fmt: skip

    def type_(self, table: "Table") -> Any:
        """Its type."""
        if not self.labels:
            return KINDS[self.kind].type_()
        name = self.type_name
        if self.is_native:
            return sa.Enum(*self.labels, name=name, schema=table.schema)
        return sa.Enum(
            *self.labels, name=name, native_enum=False, length=20, create_constraint=True
        )

    def values(self) -> tuple[str, str]:
        """The literals of two rows."""
        if self.target:
            return "1", "2"
        if self.labels:
            one, two = self.labels[0], self.labels[1]
            return _literal(one), _literal(two)
        return KINDS[self.kind].values


@dataclass(frozen=True)
class Part:
    """A constraint or an index."""

    kind: str  # check, unique, index
    columns: tuple[str, ...]
    text: str = ""  # of a check, or the condition of an index
    options: tuple[tuple[str, Any], ...] = ()
    number: int = 0  # in its name

    def made(self, table: "Table") -> Any:
        """The part of a model."""
        options = dict(self.options)
        if self.kind == "check":
            return sa.CheckConstraint(self.text, name=f"c{self.number}")
        if self.kind == "unique":
            return sa.UniqueConstraint(*self.columns, **options)
        columns: list[Any] = [*self.columns]
        if options.pop("is_expression", False):
            columns = [sa.text(f"lower({_quoted(self.columns[0])})"), *self.columns[1:]]
        elif options.pop("is_descending", False):
            columns[0] = sa.desc(_quoted(columns[0]))
        if self.text:
            options["postgresql_where"] = sa.text(self.text)
        return sa.Index(f"ix_{self.number}_{table.name}"[:60], *columns, **options)


@dataclass(frozen=True)
class Table:
    """A table. Its key is `id`, alone or with another column."""

    name: str
    schema: str | None
    key: str  # identity, always, serial, big, plain
    columns: tuple[Column, ...]
    parts: tuple[Part, ...] = ()
    comment: str | None = None

    @property
    def full_name(self) -> str:
        """As a foreign key names it."""
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def made(self, metadata: sa.MetaData) -> None:
        """The model."""
        key: dict[str, tuple[Any, ...]] = {
            "identity": (sa.Integer, sa.Identity()),
            "always": (sa.Integer, sa.Identity(always=True, start=100, increment=5)),
            "serial": (sa.Integer,),
            "big": (sa.BigInteger, sa.Identity()),
            "plain": (sa.Integer,),
        }
        sa.Table(
            self.name,
            metadata,
            sa.Column(
                "id", *key[self.key], primary_key=True,
                autoincrement=self.key != "plain",
            ),
            *(column.made(self) for column in self.columns),
            *(part.made(self) for part in self.parts),
            schema=self.schema,
            comment=self.comment,
        )  # fmt: skip

    def rows(self) -> str:
        """SQL for two rows."""
        given = [column for column in self.columns if not column.computed]
        names = ", ".join(_quoted(name) for name in ("id", *(each.name for each in given)))
        rows = ", ".join(
            f"({', '.join((str(at + 1), *(each.values()[at] for each in given)))})" for at in (0, 1)
        )
        place = (
            f"{_quoted(self.schema)}.{_quoted(self.name)}" if self.schema else _quoted(self.name)
        )
        return f"INSERT INTO {place} ({names}) OVERRIDING SYSTEM VALUE VALUES {rows};"


@dataclass(frozen=True)
class State:
    """The models of a project."""

    tables: tuple[Table, ...]

    def __call__(self, metadata: sa.MetaData) -> None:
        # Autogenerate looks at the schemas that the models have.
        sa.Table("anchor", metadata, sa.Column("id", sa.Integer, sa.Identity()), schema="side")
        for table in self.tables:
            table.made(metadata)

    def rows(self) -> str:
        """SQL for two rows in each table. References are checked after all of them."""
        return "".join(
            ["SET session_replication_role = replica;", *(each.rows() for each in self.tables)]
        )

    def replaced(self, old: Table, *new: Table) -> "State":
        """The same with another table in the place of one."""
        return State(
            tuple(each for table in self.tables for each in (new if table is old else (table,)))
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def columns(draw: Draw, table: str, name: str) -> Column:
    """A column of a table without a foreign key."""
    default = draw(st.sampled_from((None, 0, 1)))
    if draw(st.integers(0, 4)) == 0:
        labels = tuple(draw(st.permutations(LABELS))[: draw(st.integers(2, 4))])
        required, native = draw(st.booleans()), draw(st.booleans())
        kind = f"{table}_{name}"[:50].lower()
        return Column(
            name, "text", required, default, labels=labels, is_native=native, type_name=kind
        )
    kind = draw(st.sampled_from(sorted(KINDS)))
    if default is not None:
        default = draw(st.integers(0, len(KINDS[kind].defaults) - 1))
    comment = draw(st.sampled_from((None, None, None, "It's 100% :new")))
    return Column(name, kind, draw(st.booleans()), default, comment)


@st.composite
def parts(draw: Draw, table: Table, number: int) -> Part | None:
    """A constraint or an index of a table. None if it cannot have that kind."""
    plain = [each for each in table.columns if not each.computed]
    kind = draw(st.sampled_from(("check", "unique", "index", "index")))
    if kind == "check":
        able = [each for each in plain if not each.labels and KINDS[each.kind].conditions]
        if not able:
            return None
        column = draw(st.sampled_from(able))
        condition = draw(st.sampled_from(KINDS[column.kind].conditions))
        return Part("check", (), condition.format(_quoted(column.name)), number=number)
    able = [each for each in plain if each.kind not in UNSORTED]
    if not able:
        return None
    chosen = draw(
        st.lists(st.sampled_from(able), min_size=1, max_size=2, unique_by=lambda c: c.name)
    )
    names = tuple(each.name for each in chosen)
    if kind == "unique":
        options: dict[str, Any] = draw(
            st.sampled_from(
                ({}, {}, {"deferrable": True, "initially": "DEFERRED"},
                 {"postgresql_nulls_not_distinct": True}, {"postgresql_include": ["id"]})
            )
        )  # fmt: skip
        return Part("unique", names, options=tuple(options.items()), number=number)
    first = chosen[0]
    if first.kind in INDEXED_BY and not first.labels and draw(st.booleans()):
        method = INDEXED_BY[first.kind]
        return Part("index", names[:1], options=(("postgresql_using", method),), number=number)
    options = {"unique": draw(st.booleans())}
    if first.kind in ("short", "text", "long") and not first.labels:
        options |= draw(
            st.sampled_from(
                ({}, {"is_expression": True}, {"postgresql_ops": {first.name: "text_pattern_ops"}})
            )
        )
    else:
        options["is_descending"] = draw(st.booleans())
    options |= draw(st.sampled_from(({}, {}, {"postgresql_include": ["id"]},
                                     {"postgresql_with": {"fillfactor": 70}})))  # fmt: skip
    where = draw(st.sampled_from(("", "", "id > 0", "id IN (1, 2)", "id BETWEEN 1 AND 9")))
    return Part("index", names, where, tuple(options.items()), number)


@st.composite
def references(draw: Draw, name: str, target: Table) -> Column:
    """A column that references a table."""
    options: dict[str, Any] = {}
    if action := draw(st.sampled_from(ACTIONS)):
        options["ondelete"] = action
    if draw(st.integers(0, 3)) == 0:
        options |= {"deferrable": True, "initially": "DEFERRED"}
    if draw(st.integers(0, 3)) == 0:
        options["onupdate"] = "CASCADE"
    kind = "bigint" if target.key == "big" else "int"
    return Column(
        name,
        kind,
        draw(st.booleans()),
        target=f"{target.full_name}.id",
        options=tuple(options.items()),
    )


@st.composite
def tables(draw: Draw, name: str, others: tuple[Table, ...]) -> Table:
    """A table that can reference others, and itself."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    schema = draw(st.sampled_from((None, None, None, "side")))
    key = draw(st.sampled_from(("identity", "always", "serial", "big", "plain")))
    table = Table(name, schema, key, tuple(draw(columns(name, each)) for each in names))
    for at, target in enumerate((*others, table)):
        if draw(st.integers(0, 2)) == 0:
            table = with_column(table, draw(references(f"ref_{at}", target)))
    numbers = [each.name for each in table.columns if each.kind == "int" and not each.target]
    if numbers and draw(st.booleans()):
        text = f"{_quoted(numbers[0])} * 2 + 1"
        table = with_column(table, Column("computed", "int", computed=text))
    for number in range(draw(st.integers(0, 3))):
        table = with_part(table, draw(parts(table, number)))
    return replace(table, comment=draw(st.sampled_from((None, None, "All 'things', 100%"))))


def with_column(table: Table, column: Column) -> Table:
    """The table with a further column."""
    return replace(table, columns=(*table.columns, column))


def with_part(table: Table, part: Part | None) -> Table:
    """The table with a further part, if it is one, and there is none of those columns yet."""
    same = [
        each
        for each in table.parts
        if part and (each.kind, each.columns) == (part.kind, part.columns)
    ]
    if part is None or (same and part.kind != "check"):
        return table
    return replace(table, parts=(*table.parts, part))


@st.composite
def states(draw: Draw) -> State:
    """Models to begin with."""
    made: tuple[Table, ...] = ()
    names = draw(st.lists(st.sampled_from(TABLES), min_size=1, max_size=3, unique=True))
    for name in names:
        made = (*made, draw(tables(name, made)))
    return State(made)


@st.composite
def changed(draw: Draw, state: State) -> tuple[State, str]:
    """The models after a rename or none, and one to four changes. With what `-x rename=` takes.

    A name is not used again: that would be a change of unlike types.
    """
    used = {each.name for each in state.tables}
    rename = renamed = ""
    match draw(st.sampled_from(("", "", "table", "column"))):
        case "table":
            table = draw(st.sampled_from(state.tables))
            used.add(name := draw(st.sampled_from([each for each in TABLES if each not in used])))
            renamed = replace(table, name=name).full_name
            rename = f"{table.full_name}:{renamed}"
            state = _renamed_table(state, table, name)
        case "column":
            table = draw(st.sampled_from(state.tables))
            column = draw(st.sampled_from(table.columns))
            name = draw(st.sampled_from(("renamed", "Renamed It", "from")))
            state = state.replaced(table, _renamed_column(table, column, name))
            renamed = f"{table.full_name}.{name}"
            rename = f"{table.full_name}.{column.name}:{name}"
    for number in range(draw(st.integers(1, 4))):
        if not state.tables or draw(st.integers(0, 9)) == 0:
            if free := [name for name in TABLES if name not in used]:
                used.add(name := draw(st.sampled_from(free)))
                state = State((*state.tables, draw(tables(name, state.tables))))
            continue
        table = draw(st.sampled_from(state.tables))
        if draw(st.integers(0, 9)) == 0:
            # The downgrade has no values for a required reference.
            key = f"{table.full_name}.id"
            others = [each for each in state.tables if each is not table]
            columns_ = [column for each in others for column in each.columns]
            if not any(column.target == key and column.is_required for column in columns_):
                state = _without_table(state, table)
            continue
        change = draw(st.sampled_from(list(_changes(table))))
        state = state.replaced(table, change(draw, table, number))
    there = {each.full_name for each in state.tables}
    there |= {f"{each.full_name}.{column.name}" for each in state.tables for column in each.columns}
    return state, rename if renamed in there else ""


def _renamed_table(state: State, table: Table, name: str) -> State:
    old, new = (f"{each.full_name}.id" for each in (table, replace(table, name=name)))
    return State(
        tuple(
            replace(
                each,
                name=name if each is table else each.name,
                columns=tuple(
                    replace(column, target=new) if column.target == old else column
                    for column in each.columns
                ),
            )
            for each in state.tables
        )
    )


def _renamed_column(table: Table, column: Column, name: str) -> Table:
    old, new = _quoted(column.name), _quoted(name)

    def part(each: Part) -> Part:
        options = dict(each.options)
        if ops := options.get("postgresql_ops"):
            options["postgresql_ops"] = {name: ops[each.columns[0]]} if column.name in ops else ops
        columns = tuple(name if one == column.name else one for one in each.columns)
        return replace(
            each,
            columns=columns,
            text=each.text.replace(old, new),
            options=tuple(options.items()),
        )

    return replace(
        table,
        columns=tuple(
            replace(
                each,
                name=name if each is column else each.name,
                computed=each.computed and each.computed.replace(old, new),
            )
            for each in table.columns
        ),
        parts=tuple(map(part, table.parts)),
    )


def _without_table(state: State, table: Table) -> State:
    key = f"{table.full_name}.id"
    return State(
        tuple(
            _without_columns(each, {column.name for column in each.columns if column.target == key})
            for each in state.tables
            if each is not table
        )
    )


def _without_columns(table: Table, names: set[str]) -> Table:
    """The table without columns, and without what uses them."""
    used = {_quoted(name) for name in names}
    return replace(
        table,
        columns=tuple(
            each
            for each in table.columns
            if each.name not in names and not any(name in (each.computed or "") for name in used)
        ),
        parts=tuple(
            each
            for each in table.parts
            if not names & set(each.columns) and not any(name in each.text for name in used)
        ),
    )


Change = Callable[[Draw, Table, int], Table]


def _changes(table: Table) -> Iterator[Change]:
    yield _add_column
    yield _add_part
    yield _comment
    if table.parts:
        yield _drop_part
    if len(table.columns) > 1:
        yield _drop_column
    if any(not each.computed for each in table.columns):
        yield from (_alter_column,) * 4


def _add_column(draw: Draw, table: Table, number: int) -> Table:
    column = draw(columns(table.name, f"new_{number}"))
    if column.is_required and column.default is None:
        column = replace(column, is_required=False)
    return with_column(table, column)


def _add_part(draw: Draw, table: Table, number: int) -> Table:
    return with_part(table, draw(parts(table, 10 + number)))


def _comment(draw: Draw, table: Table, _: int) -> Table:
    return replace(table, comment=draw(st.sampled_from((None, "Another 'comment'"))))


def _drop_part(draw: Draw, table: Table, _: int) -> Table:
    part = draw(st.sampled_from(table.parts))
    return replace(table, parts=tuple(each for each in table.parts if each is not part))


def _drop_column(draw: Draw, table: Table, _: int) -> Table:
    """A column whose values the downgrade can replace: one that may be NULL, or has a default and
    no rule. Otherwise a revision says what to write.
    """
    able = [
        each
        for each in table.columns
        if each.computed
        or (
            not (each.is_required and each.default is None)
            and not (_uses(table, each) and _has_rule(table, each))
        )
    ]
    return _without_columns(table, {draw(st.sampled_from(able)).name} if able else set())


def _alter_column(draw: Draw, table: Table, _: int) -> Table:
    old = draw(st.sampled_from([each for each in table.columns if not each.computed]))
    new = draw(_altered(old))
    is_used = any(_quoted(old.name) in (each.computed or "") for each in table.columns)
    if new.kind != old.kind and (is_used or _uses(table, old)):
        new = old
    return replace(table, columns=tuple(new if each is old else each for each in table.columns))


def _has_rule(table: Table, column: Column) -> bool:
    """Whether equal values, or a default, may violate a part that has the column."""
    has_value = column.is_required or column.default is not None
    return has_value or any("nulls_not_distinct" in str(each.options) for each in table.parts)


def _uses(table: Table, column: Column) -> bool:
    """Whether a part depends on the type of a column."""
    return any(
        _quoted(column.name) in each.text or column.name in each.columns for each in table.parts
    )


@st.composite
def _altered(draw: Draw, column: Column) -> Column:
    what = draw(st.sampled_from(("required", "default", "comment", "kind", "labels")))
    if what == "required":
        return replace(column, is_required=not column.is_required)
    if what == "default" and not column.target:
        places = [None, *range(len(KINDS[column.kind].defaults))]
        return replace(column, default=draw(st.sampled_from(places)))
    if what == "kind" and not column.labels and not column.target and KINDS[column.kind].wider:
        return replace(column, kind=draw(st.sampled_from(KINDS[column.kind].wider)), default=None)
    if what == "labels" and column.labels:
        return replace(column, labels=draw(_relabelled(column)))
    return replace(column, comment=draw(st.sampled_from((None, "A note: 'b'"))))


@st.composite
def _relabelled(draw: Draw, column: Column) -> tuple[str, ...]:
    """Labels with one more at any place, or without one that no row has."""
    labels = list(column.labels)
    if len(labels) > 2 and draw(st.booleans()):
        labels.pop()
    else:
        free = [label for label in LABELS if label not in labels]
        if free:
            labels.insert(draw(st.integers(2, len(labels))), free[0])
    return tuple(labels)
