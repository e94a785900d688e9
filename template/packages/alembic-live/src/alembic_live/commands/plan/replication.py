"""What a statement means for logical replication: what its subscribers need, and in which order."""

import re
from collections.abc import Iterable, Iterator

from alembic_live.commands.plan.catalog import Catalog, Table
from alembic_live.commands.plan.publications import Publication
from alembic_live.printable import one_line
from alembic_live.sql.quoting import identifier
from alembic_live.sql.statements import Name, Statement, matches, names_of, split_at_commas


def notes_on(statement: Statement, catalog: Catalog) -> Iterator[str]:
    """Sentences on a statement, without a period at the end.

    Args:
        statement: a statement of a revision.
        catalog: the catalog before the statement.
    """
    text = statement.text
    if not catalog.publications:
        return
    if found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        table = catalog.full_name(Name.of(found["table"]))
        if table not in catalog.tables and " UNLOGGED " not in text:
            yield from _on_new_table(catalog, table)
    elif found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        table = catalog.full_name(Name.of(found["table"]))
        if not catalog.table(table).is_new:
            for action in split_at_commas(text[found.end() :]):
                for publication in _of(catalog, table):
                    yield from _on_action(catalog, table, publication, action)
    elif found := matches(text, "DROP TABLE [IF EXISTS] <tables>"):
        for name in map(catalog.full_name, names_of(found["tables"])):
            for publication in _of(catalog, name):
                yield (
                    f"{catalog.shown(name)}: {publication} has it. Drop it at the subscribers after "
                    "this, and run ALTER SUBSCRIPTION … REFRESH PUBLICATION there"
                )
    elif found := matches(text, "{UPDATE|DELETE FROM} [ONLY] <table>"):
        table = catalog.full_name(Name.of(found["table"]))
        publications = [each for each in _of(catalog, table) if each.has_changes]
        if publications and catalog.table(table).has_identity is False:
            yield (
                f"{catalog.shown(table)} has no replica identity, so Postgres refuses this statement "
                f"({publications[0]}). {_give_identity(table)}"
            )


def without_identity(catalog: Catalog) -> set[Name]:
    """The tables that the plan has left without a replica identity."""
    return {table for table, facts in catalog.tables.items() if facts.loses_identity}


def notes_on_identity(catalog: Catalog, tables: Iterable[Name]) -> Iterator[str]:
    """Sentences on tables that a revision leaves without a replica identity."""
    for table in sorted(tables):
        for publication in _of(catalog, table):
            if publication.has_changes:
                yield (
                    f"{catalog.shown(table)} has no replica identity after this, and {publication} has "
                    f"it: Postgres refuses UPDATE and DELETE. {_give_identity(table)}"
                )


def apply_identity(statement: Statement, catalog: Catalog) -> None:
    """Record whether the tables of a statement have a replica identity afterwards. The catalog is that
    after the statement.
    """
    text = statement.text
    if found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        table = catalog.table(Name.of(found["table"]))
        if table.is_new and " PRIMARY KEY" not in text and " UNLOGGED " not in text:
            table.loses_identity = True
    elif found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        table = catalog.table(Name.of(found["table"]))
        for action in split_at_commas(text[found.end() :]):
            _apply_action(table, action)


def _apply_action(table: Table, action: str) -> None:
    if re.match("ADD .*PRIMARY KEY", action) or matches(action, "REPLICA IDENTITY {FULL|USING}"):
        table.loses_identity = False
    elif matches(action, "REPLICA IDENTITY NOTHING"):
        table.loses_identity = True
    elif found := matches(action, "DROP CONSTRAINT [IF EXISTS] <name>"):
        is_key = Name.of(found["name"]).name == table.primary_key
        table.loses_identity |= is_key and table.has_identity is True


def _on_new_table(catalog: Catalog, table: Name) -> Iterator[str]:
    name = catalog.shown(table)
    for publication in catalog.publications:
        if publication.has(table):
            yield (
                f"{name}: {publication} has it as soon as it exists. Create it at the subscribers "
                "first; after this, run ALTER SUBSCRIPTION … REFRESH PUBLICATION there"
            )
        elif publication.is_list:
            add = f"ALTER PUBLICATION {one_line(identifier(publication.name))} ADD TABLE {name}"
            yield (
                f"{name}: {publication} is a list of tables and does not have it. To replicate it: "
                f"{add}, and at the subscribers ALTER SUBSCRIPTION … REFRESH PUBLICATION"
            )


def _on_action(
    catalog: Catalog, table: Name, publication: Publication, action: str
) -> Iterator[str]:
    name = catalog.shown(table)
    if found := matches(action, "DROP CONSTRAINT") or matches(action, "RENAME CONSTRAINT"):
        return
    if found := matches(action, "DROP [COLUMN] [IF EXISTS] <column>"):
        column = Name.of(found["column"]).name
        if column in catalog.table(table).added:
            return
        if column in publication.filters.get(table, ()) or column in publication.columns.get(
            table, ()
        ):
            yield _refused(f"to drop {name}.{one_line(column)}", publication, name)
        else:
            yield (
                f"{name}.{one_line(column)}: {publication} has it. Drop it at the subscribers after "
                "this: a column that only they have stays empty, one that they lack stops replication"
            )
    elif found := matches(action, "ALTER [COLUMN] <column> {TYPE|SET DATA TYPE}"):
        column = Name.of(found["column"]).name
        if column in publication.filters.get(table, ()):
            yield _refused(f"to change the type of {name}.{one_line(column)}", publication, name)
    elif matches(action, "RENAME TO") or matches(action, "SET SCHEMA"):
        yield _renamed(name, publication)
    elif found := matches(action, "RENAME [COLUMN] <old> TO <new>"):
        yield _renamed(f"{name}.{one_line(Name.of(found['old']).name)}", publication)
    elif action.startswith("ADD ") and not matches(
        action, "ADD {CONSTRAINT|CHECK|UNIQUE|PRIMARY KEY|FOREIGN KEY|EXCLUDE|NOT NULL}"
    ):
        found = matches(action, "ADD [COLUMN] [IF NOT EXISTS] <column>")
        if found is None:
            return
        column = one_line(Name.of(found["column"]).name)
        if table in publication.columns:
            yield f"{name}.{column}: {publication} lists the columns of {name}, and does not have it"
        else:
            yield (
                f"{name}.{column}: {publication} has it as soon as it exists. Add it at the "
                "subscribers first: replication stops at a column that they lack"
            )


def _of(catalog: Catalog, table: Name) -> list[Publication]:
    return [each for each in catalog.publications if each.has(table)]


def _refused(what: str, publication: Publication, table: str) -> str:
    change = f"ALTER PUBLICATION {one_line(identifier(publication.name))} SET TABLE {table} …"
    return f"Postgres refuses {what}, because {publication} uses it. First: {change}"


def _renamed(name: str, publication: Publication) -> str:
    return (
        f"{name}: {publication} has it, and replication goes by names. Stop it (ALTER SUBSCRIPTION … "
        "DISABLE), migrate the publisher and the subscribers, and start it (ENABLE)"
    )


def _give_identity(table: Name) -> str:
    name = one_line(identifier(table.schema, table.name))
    return f"Give it a primary key, or: ALTER TABLE {name} REPLICA IDENTITY FULL"
