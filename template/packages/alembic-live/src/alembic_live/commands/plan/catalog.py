"""The database's catalog, as the statements of a plan change it one after the other."""

import re
from dataclasses import dataclass, field, replace

from alembic_live.commands.plan.publications import Publication
from alembic_live.printable import one_line
from alembic_live.sql.statements import (
    NAMES,
    Name,
    Statement,
    matches,
    names_of,
    split_at_commas,
)

# Functions in defaults, if there is no database to ask.
_VOLATILE = {
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "clock_timestamp",
    "timeofday",
    "nextval",
}
_STABLE = {"now", "statement_timestamp", "transaction_timestamp", "timezone", "lower", "upper"}

_FOREIGN_KEY = "[CONSTRAINT <name>] FOREIGN KEY ( <columns> ) REFERENCES <other>"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """An existing foreign key."""

    name: str
    table: Name
    columns: tuple[str, ...]
    referred: Name


@dataclass(slots=True)
class Table:
    """A table. Its size includes indexes and partitions; None is unknown."""

    bytes: int | None = None
    rows: int | None = None
    is_new: bool = False  # the plan creates it
    columns: dict[str, str] = field(default_factory=dict)  # the type of each
    added: set[str] = field(default_factory=set)  # columns that the plan adds
    primary_key: str | None = None  # the name of the constraint
    has_identity: bool | None = None  # a replica identity; None is unknown
    loses_identity: bool = False  # the plan leaves it without one


@dataclass(slots=True)
class Catalog:
    """A snapshot of the parts of the catalog that a plan needs."""

    is_known: bool = False  # read from a database
    default_schema: str = "public"
    visible: dict[str, str] = field(
        default_factory=dict
    )  # tables on the search path, with their schemas
    tables: dict[Name, Table] = field(default_factory=dict)
    indexes: dict[Name, Name] = field(default_factory=dict)  # the table of each
    keys: list[ForeignKey] = field(default_factory=list)
    enums: dict[Name, list[str]] = field(default_factory=dict)
    functions: dict[str, bool] = field(default_factory=dict)  # whether each is volatile
    domains: set[str] = field(default_factory=set)
    publications: list[Publication] = field(default_factory=list)
    standbys: int = 0  # that are connected

    def full_name(self, name: Name) -> Name:
        """The name with its schema."""
        schema = name.schema or self.visible.get(name.name, self.default_schema)
        return Name(schema, name.name)

    def shown(self, name: Name) -> str:
        """The name as reports show it, without the default schema."""
        full = self.full_name(name)
        return one_line(full.name if full.schema == self.default_schema else str(full))

    def table(self, name: Name) -> Table:
        """The table of that name, or one without known properties."""
        return self.tables.get(self.full_name(name)) or Table()

    def table_of_index(self, index: Name) -> Name | None:
        """The table of an index; None if it is unknown."""
        if index.schema is None:
            return next((of for each, of in self.indexes.items() if each.name == index.name), None)
        return self.indexes.get(index)

    def keys_of(self, table: Name) -> list[ForeignKey]:
        """The foreign keys of a table."""
        return [key for key in self.keys if key.table == self.full_name(table)]

    def keys_to(self, table: Name) -> list[ForeignKey]:
        """The foreign keys that reference a table."""
        return [key for key in self.keys if key.referred == self.full_name(table)]

    def is_volatile(self, function: str) -> bool | None:
        """Whether a function is VOLATILE; None if it is unknown. Names that are no function, such as the
        varchar of `varchar(9)`, are not volatile.
        """
        function = function.lower()
        if self.is_known or function in self.functions:
            return self.functions.get(function, False)
        return True if function in _VOLATILE else False if function in _STABLE else None


def apply_statement(statement: Statement, catalog: Catalog) -> None:
    """Change the catalog as the statement does: create, drop and rename objects."""
    text = statement.text
    if found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        table = catalog.full_name(Name.of(found["table"]))
        for action in split_at_commas(text[found.end() :]):
            _alter(catalog, table, action)
    elif found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        _create(catalog, catalog.full_name(Name.of(found["table"])), text)
    elif found := matches(text, "CREATE MATERIALIZED VIEW [IF NOT EXISTS] <table>"):
        catalog.tables.setdefault(catalog.full_name(Name.of(found["table"])), Table(is_new=True))
    elif found := matches(text, "DROP [MATERIALIZED] {TABLE|VIEW} [IF EXISTS] <tables>"):
        for name in names_of(found["tables"]):
            _drop(catalog, catalog.full_name(name))
    elif found := matches(
        text, "CREATE [UNIQUE] INDEX [CONCURRENTLY] [IF NOT EXISTS] <index> ON [ONLY] <table>"
    ):
        table = catalog.full_name(Name.of(found["table"]))
        catalog.indexes[Name(table.schema, Name.of(found["index"]).name)] = table
    elif found := matches(text, "ALTER INDEX [IF EXISTS] <index> RENAME TO <new>"):
        index = catalog.full_name(Name.of(found["index"]))
        if index in catalog.indexes:
            new = Name(index.schema, Name.of(found["new"]).name)
            catalog.indexes[new] = catalog.indexes.pop(index)
    elif found := matches(text, "CREATE [OR REPLACE] FUNCTION <function>"):
        is_volatile = not re.search(r" (IMMUTABLE|STABLE)\b", text)
        catalog.functions[Name.of(found["function"]).name] = is_volatile


def _create(catalog: Catalog, table: Name, text: str) -> None:
    if table in catalog.tables:  # IF NOT EXISTS
        return
    catalog.tables[table] = Table(is_new=True)
    _, _, definition = text.partition(" ( ")
    for part in split_at_commas(definition.rpartition(" )")[0]):
        if not _add_key(catalog, table, part) and (
            found := re.match(rf"({NAMES}) .* REFERENCES ({NAMES})", part)
        ):
            _add_column_key(catalog, table, Name.of(found[1]).name, Name.of(found[2]))


def _alter(catalog: Catalog, table: Name, action: str) -> None:
    if found := matches(action, "RENAME TO <new>"):
        _move(catalog, table, Name(table.schema, Name.of(found["new"]).name))
    elif found := matches(action, "SET SCHEMA <schema>"):
        _move(catalog, table, Name(Name.of(found["schema"]).name, table.name))
    elif found := matches(action, "RENAME CONSTRAINT <old> TO <new>"):
        old, new = Name.of(found["old"]).name, Name.of(found["new"]).name
        catalog.keys = [
            replace(key, name=new) if (key.table, key.name) == (table, old) else key
            for key in catalog.keys
        ]
    elif found := matches(action, "RENAME [COLUMN] <old> TO <new>"):
        _rename_column(catalog, table, Name.of(found["old"]).name, Name.of(found["new"]).name)
    elif found := matches(action, "DROP CONSTRAINT [IF EXISTS] <name>"):
        name = Name.of(found["name"]).name
        catalog.keys = [key for key in catalog.keys if (key.table, key.name) != (table, name)]
    elif found := matches(action, "ALTER [COLUMN] <column> {TYPE|SET DATA TYPE}"):
        type_ = action[found.end() :].partition(" USING ")[0]
        if columns := catalog.table(table).columns:
            columns[Name.of(found["column"]).name] = type_
    elif action.startswith("ADD ") and not _add_key(catalog, table, action.removeprefix("ADD ")):
        _add_column(catalog, table, action)


def _rename_column(catalog: Catalog, table: Name, old: str, new: str) -> None:
    known = catalog.table(table)
    if old in known.columns:
        known.columns[new] = known.columns.pop(old)
    if old in known.added:
        known.added.add(new)
    catalog.keys = [
        replace(key, columns=tuple(new if each == old else each for each in key.columns))
        if key.table == table
        else key
        for key in catalog.keys
    ]


def _add_column(catalog: Catalog, table: Name, action: str) -> None:
    if matches(action, "ADD {CONSTRAINT|CHECK|UNIQUE|PRIMARY KEY|EXCLUDE|NOT NULL}"):
        return
    if found := matches(action, "ADD [COLUMN] [IF NOT EXISTS] <column>"):
        column = Name.of(found["column"]).name
        known = catalog.tables.setdefault(table, Table())
        known.added.add(column)
        if other := re.search(rf" REFERENCES ({NAMES})", action):
            _add_column_key(catalog, table, column, Name.of(other[1]))


def _add_key(catalog: Catalog, table: Name, definition: str) -> bool:
    found = matches(definition, _FOREIGN_KEY)
    if not found:
        return False
    columns = tuple(name.name for name in names_of(found["columns"]))
    name = Name.of(found["name"]).name if found["name"] else _default_name(table, *columns)
    referred = catalog.full_name(Name.of(found["other"]))
    catalog.keys.append(ForeignKey(name, table, columns, referred))
    return True


def _add_column_key(catalog: Catalog, table: Name, column: str, referred: Name) -> None:
    name = _default_name(table, column)
    catalog.keys.append(ForeignKey(name, table, (column,), catalog.full_name(referred)))


def _default_name(table: Name, *columns: str) -> str:
    return "_".join([table.name, *columns, "fkey"])


def _drop(catalog: Catalog, table: Name) -> None:
    catalog.tables.pop(table, None)
    catalog.keys = [key for key in catalog.keys if table not in (key.table, key.referred)]
    catalog.indexes = {index: of for index, of in catalog.indexes.items() if of != table}


def _move(catalog: Catalog, old: Name, new: Name) -> None:
    if old in catalog.tables:
        catalog.tables[new] = catalog.tables.pop(old)
    catalog.indexes = {
        Name(new.schema, index.name) if of == old else index: new if of == old else of
        for index, of in catalog.indexes.items()
    }
    catalog.keys = [
        replace(
            key,
            table=new if key.table == old else key.table,
            referred=new if key.referred == old else key.referred,
        )
        for key in catalog.keys
    ]
