"""The values to try next in one table, and the statement that inserts them."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Row

from alembic_live.sql.quoting import identifier, literal

OMITTED = 0.4  # how often a column gets no value if a check concerns it and others
VIOLATED = re.compile(r'violates check constraint "([^"]+)"')


class TableName(NamedTuple):
    """A table's schema and name."""

    schema: str
    table: str

    def __str__(self) -> str:
        return self.table if self.schema == "public" else f"{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """The name in SQL."""
        return identifier(self.schema, self.table)


@dataclass
class Attempt:
    """The values to try next in one table."""

    table: TableName
    columns: list[Row[Any]]
    texts: dict[str, list[str]]  # the candidates of each column that needs a value
    checks: Sequence[Row[Any]]
    full: bool = True  # with a value in every column
    chosen: dict[str, str | None] = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.table.table)
        names = [name for name in self.texts if self.full or name in self.required]
        self.chosen = {name: next(iter(self.texts[name]), None) for name in names}

    @property
    def required(self) -> set[str]:
        """The columns that are NOT NULL."""
        return {column.name for column in self.columns if column.required}

    @property
    def has_partitions(self) -> bool:
        """Whether the table is partitioned and has a partition."""
        return any(check.name is None for check in self.checks)

    def choose_again(self, message: str) -> None:
        """Choose other values for the columns that an error concerns. A check may require that a
        column is NULL, or that it is not.
        """
        found = VIOLATED.search(message)
        checked = {
            name
            for check in self.checks
            if found and check.name == found[1]
            for name in check.columns
        }
        for name in [name for name in self.texts if name in checked] or list(self.chosen):
            may_be_null = checked and name not in self.required
            if not self.texts[name] or (may_be_null and self.random.random() < OMITTED):
                self.chosen.pop(name, None)
            else:
                self.chosen[name] = self.random.choice(self.texts[name])


def insert(rows: dict[TableName, dict[str, str | None]], attempts: dict[TableName, Attempt]) -> str:
    """One statement for all rows. Postgres checks foreign keys at its end."""
    *others, last = [
        _insert_one(table, values, {each.name: each.type for each in attempts[table].columns})
        for table, values in rows.items()
    ]
    before = ", ".join(f"x{number} AS ({each})" for number, each in enumerate(others))
    return f"WITH {before} {last}" if before else last


def _insert_one(table: TableName, values: dict[str, str | None], types: dict[str, str]) -> str:
    target = f"INSERT INTO {table.quoted}"
    if not values:
        return f"{target} DEFAULT VALUES"
    names = ", ".join(map(identifier, values))
    casts = ", ".join(
        "NULL" if text is None else f"CAST({literal(text)} AS {types[name]})"
        for name, text in values.items()
    )
    return f"{target} ({names}) OVERRIDING SYSTEM VALUE VALUES ({casts})"
