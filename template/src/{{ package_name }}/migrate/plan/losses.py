"""What is gone after a statement, and no downgrade or upgrade brings back."""

from collections.abc import Iterator
from typing import NamedTuple

from .statements import Name, Statement, matches, names_of, split_at_commas
from .world import World


class Loss(NamedTuple):
    """Rows, values or labels that are there and would be gone."""

    what: str  # "table", "column", "rows", "enum value", "schema"
    name: str
    rows: int | None  # an estimate; None where it is not known


def losses_of(statement: Statement, world: World) -> Iterator[Loss]:
    """What a statement destroys of what is in the database, rather than in the plan.

    Args:
        statement: of a revision.
        world: what the statement finds.
    """
    text = statement.text
    if found := matches(text, "DROP TABLE [IF EXISTS] <tables>"):
        yield from (_of_table("table", world, name) for name in _old(world, found["tables"]))
    elif found := matches(text, "TRUNCATE [TABLE] [ONLY] <tables>"):
        yield from (_of_table("rows", world, name) for name in _old(world, found["tables"]))
    elif found := matches(text, "DELETE FROM [ONLY] <table>"):
        for name in _old(world, found["table"]):
            rows = None if " WHERE " in text else world.table(name).rows
            yield Loss("rows", world.shown(name), rows)
    elif found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        for name in _old(world, found["table"]):
            for action in split_at_commas(text[found.end() :]):
                yield from _of_action(world, name, action)
    elif found := matches(text, "CREATE TYPE <type> AS ENUM"):
        old = world.enums.get(world.full_name(Name.of(found["type"])), [])
        for label in sorted(set(old) - set(statement.strings())):
            yield Loss("enum value", f"{Name.of(found['type']).name}.{label}", None)
    elif (found := matches(text, "DROP SCHEMA [IF EXISTS] <names>")) and "CASCADE" in text.split():
        yield from (Loss("schema", name.name, None) for name in names_of(found["names"]))


def _of_action(world: World, table: Name, action: str) -> Iterator[Loss]:
    if action.startswith("DROP CONSTRAINT "):
        return
    if found := matches(action, "DROP [COLUMN] [IF EXISTS] <column>"):
        column = Name.of(found["column"]).name
        if column not in world.table(table).added:
            yield Loss("column", f"{world.shown(table)}.{column}", world.table(table).rows)


def _of_table(what: str, world: World, table: Name) -> Loss:
    return Loss(what, world.shown(table), world.table(table).rows)


def _old(world: World, names: str) -> list[Name]:
    return [name for name in names_of(names) if not world.table(name).is_new]
