"""What the statements of a plan make of its world, so that those after them find it so."""

import re
from dataclasses import replace

from .statements import NAMES, Name, Statement, matches, names_of, split_at_commas
from .world import ForeignKey, Table, World

_FOREIGN_KEY = "[CONSTRAINT <name>] FOREIGN KEY ( <columns> ) REFERENCES <other>"


def apply(statement: Statement, world: World) -> None:
    """Take note of what a statement makes, drops and renames."""
    text = statement.text
    if found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        table = world.full_name(Name.of(found["table"]))
        for action in split_at_commas(text[found.end() :]):
            _alter(world, table, action)
    elif found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        _create(world, world.full_name(Name.of(found["table"])), text)
    elif found := matches(text, "CREATE MATERIALIZED VIEW [IF NOT EXISTS] <table>"):
        world.tables.setdefault(world.full_name(Name.of(found["table"])), Table(is_new=True))
    elif found := matches(text, "DROP [MATERIALIZED] {TABLE|VIEW} [IF EXISTS] <tables>"):
        for name in names_of(found["tables"]):
            _drop(world, world.full_name(name))
    elif found := matches(
        text, "CREATE [UNIQUE] INDEX [CONCURRENTLY] [IF NOT EXISTS] <index> ON [ONLY] <table>"
    ):
        table = world.full_name(Name.of(found["table"]))
        world.indexes[Name(table.schema, Name.of(found["index"]).name)] = table
    elif found := matches(text, "ALTER INDEX [IF EXISTS] <index> RENAME TO <new>"):
        index = world.full_name(Name.of(found["index"]))
        if index in world.indexes:
            new = Name(index.schema, Name.of(found["new"]).name)
            world.indexes[new] = world.indexes.pop(index)
    elif found := matches(text, "CREATE [OR REPLACE] FUNCTION <function>"):
        is_settled = re.search(r" (IMMUTABLE|STABLE)\b", text)
        world.functions[Name.of(found["function"]).name] = not is_settled


def _create(world: World, table: Name, text: str) -> None:
    if table in world.tables:  # IF NOT EXISTS
        return
    world.tables[table] = Table(is_new=True)
    _, _, definition = text.partition(" ( ")
    for part in split_at_commas(definition.rpartition(" )")[0]):
        if not _add_key(world, table, part) and (
            found := re.match(rf"({NAMES}) .* REFERENCES ({NAMES})", part)
        ):
            _add_column_key(world, table, Name.of(found[1]).name, Name.of(found[2]))


def _alter(world: World, table: Name, action: str) -> None:
    if found := matches(action, "RENAME TO <new>"):
        _move(world, table, Name(table.schema, Name.of(found["new"]).name))
    elif found := matches(action, "SET SCHEMA <schema>"):
        _move(world, table, Name(Name.of(found["schema"]).name, table.name))
    elif found := matches(action, "RENAME CONSTRAINT <old> TO <new>"):
        old, new = Name.of(found["old"]).name, Name.of(found["new"]).name
        world.keys = [
            replace(key, name=new) if (key.table, key.name) == (table, old) else key
            for key in world.keys
        ]
    elif found := matches(action, "RENAME [COLUMN] <old> TO <new>"):
        _rename_column(world, table, Name.of(found["old"]).name, Name.of(found["new"]).name)
    elif found := matches(action, "DROP CONSTRAINT [IF EXISTS] <name>"):
        name = Name.of(found["name"]).name
        world.keys = [key for key in world.keys if (key.table, key.name) != (table, name)]
    elif found := matches(action, "ALTER [COLUMN] <column> {TYPE|SET DATA TYPE}"):
        type_ = action[found.end() :].partition(" USING ")[0]
        if columns := world.table(table).columns:
            columns[Name.of(found["column"]).name] = type_
    elif action.startswith("ADD ") and not _add_key(world, table, action.removeprefix("ADD ")):
        _add_column(world, table, action)


def _rename_column(world: World, table: Name, old: str, new: str) -> None:
    known = world.table(table)
    if old in known.columns:
        known.columns[new] = known.columns.pop(old)
    if old in known.added:
        known.added.add(new)
    world.keys = [
        replace(key, columns=tuple(new if each == old else each for each in key.columns))
        if key.table == table
        else key
        for key in world.keys
    ]


def _add_column(world: World, table: Name, action: str) -> None:
    if matches(action, "ADD {CONSTRAINT|CHECK|UNIQUE|PRIMARY KEY|EXCLUDE|NOT NULL}"):
        return
    if found := matches(action, "ADD [COLUMN] [IF NOT EXISTS] <column>"):
        column = Name.of(found["column"]).name
        known = world.tables.setdefault(table, Table())
        known.added.add(column)
        if other := re.search(rf" REFERENCES ({NAMES})", action):
            _add_column_key(world, table, column, Name.of(other[1]))


def _add_key(world: World, table: Name, definition: str) -> bool:
    found = matches(definition, _FOREIGN_KEY)
    if not found:
        return False
    columns = tuple(name.name for name in names_of(found["columns"]))
    name = Name.of(found["name"]).name if found["name"] else _default_name(table, *columns)
    referred = world.full_name(Name.of(found["other"]))
    world.keys.append(ForeignKey(name, table, columns, referred))
    return True


def _add_column_key(world: World, table: Name, column: str, referred: Name) -> None:
    name = _default_name(table, column)
    world.keys.append(ForeignKey(name, table, (column,), world.full_name(referred)))


def _default_name(table: Name, *columns: str) -> str:
    return "_".join([table.name, *columns, "fkey"])


def _drop(world: World, table: Name) -> None:
    world.tables.pop(table, None)
    world.keys = [key for key in world.keys if table not in (key.table, key.referred)]
    world.indexes = {index: of for index, of in world.indexes.items() if of != table}


def _move(world: World, old: Name, new: Name) -> None:
    if old in world.tables:
        world.tables[new] = world.tables.pop(old)
    world.indexes = {
        Name(new.schema, index.name) if of == old else index: new if of == old else of
        for index, of in world.indexes.items()
    }
    world.keys = [
        replace(
            key,
            table=new if key.table == old else key.table,
            referred=new if key.referred == old else key.referred,
        )
        for key in world.keys
    ]
