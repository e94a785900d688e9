"""Histories of random revisions, the same for the same seed: nobody here chose what is in them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

HEADER = '''"""step {number}

Revision ID: {revision}
Revises: {follows}
Create Date: {date}

"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "{revision}"
down_revision: str | Sequence[str] | None = {down}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the schema to this revision."""
    {upgrade}


def downgrade() -> None:
    """Take the schema back to the revision before."""
    raise NotImplementedError
'''

KEYS = (
    'sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True)',
    'sa.Column("id", sa.BigInteger(), sa.Identity(always=True, start=100), primary_key=True)',
    'sa.Column("id", sa.Integer(), primary_key=True)',
    'sa.Column("id", sa.BigInteger(), primary_key=True)',
    'sa.Column("id", sa.Integer(), autoincrement=False, primary_key=True)',
    'sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), primary_key=True)',
    'sa.Column("id", sa.Integer(), primary_key=True), sa.Column("no", sa.Text(), primary_key=True)',
)
TYPES = (
    *("sa.Text()", "sa.String(40)", "sa.Integer()", "sa.SmallInteger()", "sa.Numeric(10, 2)"),
    *("sa.Boolean()", "sa.Date()", "sa.DateTime()", "sa.DateTime(timezone=True)", "sa.Float()"),
    *("sa.LargeBinary()", "sa.Interval()", "sa.Uuid()", "sa.Time()", "postgresql.JSONB()"),
    *("postgresql.ARRAY(sa.Text())", "postgresql.INET()", "postgresql.TSVECTOR()"),
    *("postgresql.TSTZRANGE()", "postgresql.TIMESTAMP(precision=3)", "postgresql.BIT(4)"),
)
DEFAULTS = {
    "sa.Text()": "it''s: 50% \"x\"",
    "sa.String(40)": "",
    "sa.Integer()": "7",
    "sa.Numeric(10, 2)": "0.50",
    "sa.Boolean()": "true",
    "sa.DateTime(timezone=True)": None,
    "postgresql.JSONB()": '{"a": [1]}',
}


@dataclass
class Table:
    """What the generator knows of one."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)


class History:
    """Revisions that make tables, types, functions and more, change them, and drop some again."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tables: list[Table] = []
        self.types: list[str] = []
        self.functions: list[str] = []
        self.number = 0

    def write(self, versions: Path, revisions: int) -> str:
        """Write the files. Returns the head's id."""
        before = None
        for number in range(1, revisions + 1):
            revision = f"{number:04x}{self.random.randrange(16**8):08x}"
            date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            source = HEADER.format(
                number=number,
                revision=revision,
                follows=before or "",
                date=date,
                down=f'"{before}"' if before else None,
                upgrade="\n    ".join(self._change()),
            )
            (versions / f"{number:04}-{revision}_step.py").write_text(source)
            before = revision
        assert before
        return before

    def _change(self) -> list[str]:
        choices: list[Callable[[], list[str]]] = [self._create_table]
        if len(self.tables) > 3:
            choices += [self._create_table, self._add_column, self._add_column, self._add_column]
            choices += [
                self._index,
                self._index,
                self._constraint,
                self._constraint,
                self._foreign_key,
            ]
            choices += [self._type, self._function, self._view, self._comment, self._partitions]
            choices += [self._drop_column, self._rename, self._alter, self._drop_table, self._rows]
            choices += [self._rare]
        return self.random.choice(choices)()

    def _name(self, kind: str) -> str:
        self.number += 1
        odd = self.random.random() < 0.05
        return f'{kind} "{self.number}" Ünï%' if odd else f"{kind}_{self.number}"

    def _table(self) -> Table:
        return self.random.choice(self.tables)

    def _column(self, table: Table, *types: str) -> str | None:
        names = [name for name, type_ in table.columns.items() if not types or type_ in types]
        return self.random.choice(names) if names else None

    def _new_column(self) -> tuple[str, str, str]:
        """Its name, its type and its code."""
        name = self._name("c")
        if self.types and self.random.random() < 0.15:
            type_ = self.random.choice(self.types)
            return name, type_, f"sa.Column({name!r}, {type_})"
        type_ = self.random.choice(TYPES)
        default = ""
        if type_ in DEFAULTS and self.random.random() < 0.5:
            value = DEFAULTS[type_]
            default = (
                f", server_default={value!r}"
                if value is not None
                else ", server_default=sa.func.now()"
            )
        nullable = self.random.random() < 0.6 or not default
        return name, type_, f"sa.Column({name!r}, {type_}{default}, nullable={nullable})"

    def _create_table(self) -> list[str]:
        table = Table(self._name("t"))
        columns = [self._new_column() for _ in range(self.random.randrange(1, 6))]
        table.columns = {name: type_ for name, type_, _ in columns}
        code = ", ".join([self.random.choice(KEYS), *(code for _, _, code in columns)])
        self.tables.append(table)
        return [f"op.create_table({table.name!r}, {code})"]

    def _add_column(self) -> list[str]:
        table = self._table()
        name, type_, code = self._new_column()
        table.columns[name] = type_
        return [f"op.add_column({table.name!r}, {code})"]

    def _drop_column(self) -> list[str]:
        table = self._table()
        name = self._column(table)
        if name is None:
            return ["pass"]
        del table.columns[name]
        return [self._sql(f"ALTER TABLE {q(table.name)} DROP COLUMN {q(name)} CASCADE")]

    def _drop_table(self) -> list[str]:
        table = self._table()
        self.tables.remove(table)
        return [self._sql(f"DROP TABLE {q(table.name)} CASCADE")]

    def _rename(self) -> list[str]:
        table = self._table()
        name, new = self._column(table), self._name("c")
        if name is None or self.random.random() < 0.4:
            before, table.name = table.name, self._name("t")
            return [f"op.rename_table({before!r}, {table.name!r})"]
        table.columns[new] = table.columns.pop(name)
        return [f"op.alter_column({table.name!r}, {name!r}, new_column_name={new!r})"]

    def _alter(self) -> list[str]:
        table = self._table()
        name = self._column(table, "sa.String(40)")
        if name is None:
            return ["pass"]
        table.columns[name] = "sa.Text()"
        return [f"op.alter_column({table.name!r}, {name!r}, type_=sa.Text(), nullable=True)"]

    def _index(self) -> list[str]:
        table = self._table()
        name = self._column(table, "sa.Text()", "sa.Integer()", "sa.Date()")
        index = self._name("ix")
        if name is None:
            return [f"op.create_index({index!r}, {table.name!r}, ['id'])"]
        options = self.random.choice(
            ["", ", unique=True", f", postgresql_where=sa.text({q(name) + ' IS NOT NULL'!r})"]
        )
        if table.columns[name] == "sa.Text()" and self.random.random() < 0.5:
            expression = f"sa.text({f'lower({q(name)})'!r})"
            return [f"op.create_index({index!r}, {table.name!r}, [{expression}]{options})"]
        return [f"op.create_index({index!r}, {table.name!r}, [{name!r}]{options})"]

    def _constraint(self) -> list[str]:
        table = self._table()
        name = self._column(table, "sa.Text()", "sa.Integer()", "sa.Numeric(10, 2)")
        if name is None:
            return ["pass"]
        constraint = self._name("k")
        if self.random.random() < 0.4:
            return [f"op.create_unique_constraint({constraint!r}, {table.name!r}, [{name!r}])"]
        if table.columns[name] == "sa.Text()":
            check = f"{q(name)} <> 'a%b' AND length({q(name)}) < 500"
        else:
            check = f"{q(name)} BETWEEN 0 AND 1000"
        return [
            self._sql(f"ALTER TABLE {q(table.name)} ADD CONSTRAINT {q(constraint)} CHECK ({check})")
        ]

    def _foreign_key(self) -> list[str]:
        referring, referred, key = self._table(), self._table(), self._name("r")
        target = self._name("u")
        deferred = self.random.choice(["", " ON DELETE CASCADE", " DEFERRABLE INITIALLY DEFERRED"])
        referring.columns[key] = "a reference"
        return [
            self._sql(f"ALTER TABLE {q(referred.name)} ADD COLUMN {q(target)} bigint UNIQUE"),
            self._sql(
                f"ALTER TABLE {q(referring.name)} ADD COLUMN {q(key)} bigint "
                f"REFERENCES {q(referred.name)} ({q(target)}){deferred}"
            ),
        ]

    def _type(self) -> list[str]:
        name = self._name("y")
        if self.random.random() < 0.6:
            values = "'one', 'it''s', '50%'"
            self.types.append(
                f'postgresql.ENUM("one", "it\'s", "50%", name={name!r}, create_type=False)'
            )
            return [self._sql(f"CREATE TYPE {q(name)} AS ENUM ({values})")]
        return [self._sql(f"CREATE DOMAIN {q(name)} AS text CHECK (VALUE <> '')")]

    def _function(self) -> list[str]:
        name, table = self._name("f"), self._table()
        self.functions.append(name)
        body = "BEGIN\n    -- a comment; with 'quotes\n\n    RETURN new;\nEND"
        return [
            self._sql(
                f"CREATE FUNCTION {q(name)}() RETURNS trigger LANGUAGE plpgsql AS $body$\n{body}\n$body$"
            ),
            self._sql(
                f"CREATE TRIGGER {q(name)} BEFORE UPDATE ON {q(table.name)} FOR EACH ROW "
                f"EXECUTE FUNCTION {q(name)}()"
            ),
        ]

    def _view(self) -> list[str]:
        kind = self.random.choice(["VIEW", "MATERIALIZED VIEW"])
        name, table = self._name("v"), self._table()
        return [
            self._sql(f"CREATE {kind} {q(name)} AS SELECT id, 'x%' AS label FROM {q(table.name)}")
        ]

    def _comment(self) -> list[str]:
        table = self._table()
        return [self._sql(f"COMMENT ON TABLE {q(table.name)} IS 'a; b''c\n\n50%'")]

    def _partitions(self) -> list[str]:
        name = self._name("p")
        return [
            self._sql(f"CREATE TABLE {q(name)} (at date NOT NULL, n int) PARTITION BY RANGE (at)"),
            self._sql(
                f"CREATE TABLE {q(name + '_1')} PARTITION OF {q(name)} "
                "FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
            ),
            self._sql(f"CREATE INDEX ON {q(name)} (n)"),
        ]

    def _rows(self) -> list[str]:
        name = self._name("s")
        return [
            f'table = op.create_table({name!r}, sa.Column("id", sa.Integer()), sa.Column("n", sa.Text()))',
            'op.bulk_insert(table, [{"id": 1, "n": "a:b"}, {"id": 2, "n": "50%"}])',
            self._sql(f"UPDATE {q(name)} SET n = 'x' WHERE id = 2"),
        ]

    def _rare(self) -> list[str]:
        table, name = self._table(), self._name("z")
        statement = self.random.choice(
            [
                f"CREATE SEQUENCE {q(name)} START 5",
                f"ALTER TABLE {q(table.name)} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY {q(name)} ON {q(table.name)} USING (id IS NOT NULL)",
                f"ALTER TABLE {q(table.name)} ADD COLUMN {q(name)} int GENERATED ALWAYS AS (1 + 1) STORED",
                f"ALTER TABLE {q(table.name)} ALTER COLUMN id SET STATISTICS 50",
                f"ALTER TABLE {q(table.name)} SET (fillfactor = 70)",
                f"CREATE SCHEMA {q(name)} CREATE TABLE inside (id int PRIMARY KEY, n text)",
                f"CREATE FUNCTION {q(name)}(int) RETURNS int LANGUAGE sql IMMUTABLE RETURN $1 + 1",
                f"CREATE FUNCTION {q(name)}() RETURNS SETOF {q(table.name)} LANGUAGE sql "
                f"AS 'SELECT * FROM {q(table.name)}'",
            ]
        )
        return [self._sql(statement)]

    def _sql(self, statement: str) -> str:
        escaped = statement.replace(":", "\\:")
        return f"op.execute({escaped!r})"


def q(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'
