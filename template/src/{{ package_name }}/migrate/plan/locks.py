"""What a statement locks, and whether it reads or writes all rows of a table meanwhile.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
https://www.postgresql.org/docs/current/sql-altertable.html

Tables that are only read or referred to by rows are left out: that keeps nobody waiting.
"""

import re
from collections.abc import Iterator

from .alterations import effects_of_alteration
from .effects import Effect, Mode, Rule, Work
from .statements import NAME, NAMES, Name, Statement, matches, names_of
from .world import World

_WEAK = Mode.SHARE_UPDATE_EXCLUSIVE
_KEY = Mode.SHARE_ROW_EXCLUSIVE
_ALL = Mode.ACCESS_EXCLUSIVE

# The first that fits counts.
STATEMENTS = (
    Rule("CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] [_] ON [ONLY] <table>", _WEAK, Work.READS),
    Rule("CREATE [UNIQUE] INDEX [IF NOT EXISTS] [_] ON ONLY <table>", Mode.SHARE),
    Rule("CREATE [UNIQUE] INDEX [IF NOT EXISTS] [_] ON <table>", Mode.SHARE, Work.READS),
    Rule("DROP INDEX CONCURRENTLY [IF EXISTS] <indexes>", _WEAK),
    Rule("DROP INDEX [IF EXISTS] <indexes>", _ALL),
    Rule("ALTER INDEX [IF EXISTS] _ RENAME"),
    Rule("REINDEX [( ... )] INDEX CONCURRENTLY <index>", _WEAK, Work.READS),
    Rule("REINDEX [( ... )] INDEX <index>", Mode.SHARE, Work.READS),
    Rule("REINDEX [( ... )] TABLE CONCURRENTLY <table>", _WEAK, Work.READS),
    Rule("REINDEX [( ... )] TABLE <table>", Mode.SHARE, Work.READS),
    Rule("CREATE OR REPLACE [RECURSIVE] VIEW <table>", _ALL),
    Rule("CREATE [RECURSIVE] VIEW"),
    Rule("CREATE MATERIALIZED VIEW [IF NOT EXISTS] <table>", _ALL),
    Rule("ALTER [MATERIALIZED] VIEW [IF EXISTS] <table>", _ALL),
    Rule("DROP [MATERIALIZED] VIEW [IF EXISTS] <tables>", _ALL),
    Rule("REFRESH MATERIALIZED VIEW CONCURRENTLY <table>", Mode.EXCLUSIVE, Work.CHANGES),
    Rule("REFRESH MATERIALIZED VIEW <table>", _ALL, Work.REWRITES),
    Rule("TRUNCATE [TABLE] [ONLY] <tables>", _ALL),
    *(Rule(f"LOCK [TABLE] [ONLY] <tables> IN {mode} MODE", mode) for mode in Mode),
    Rule("LOCK [TABLE] [ONLY] <tables>", _ALL),
    Rule("CLUSTER [VERBOSE] <table>", _ALL, Work.REWRITES),
    Rule("ANALYZE [VERBOSE] <tables>", _WEAK),
    Rule("CREATE [OR REPLACE] [CONSTRAINT] TRIGGER _ ... ON <table>", _KEY),
    Rule("DROP TRIGGER [IF EXISTS] _ ON <table>", _ALL),
    Rule("ALTER TRIGGER _ ON <table> RENAME", _ALL),
    Rule("CREATE [OR REPLACE] RULE _ AS ON ... TO <table>", _ALL),
    Rule("DROP RULE [IF EXISTS] _ ON <table>", _ALL),
    Rule("{CREATE|ALTER} POLICY _ ON <table>", _ALL),
    Rule("DROP POLICY [IF EXISTS] _ ON <table>", _ALL),
    Rule("CREATE STATISTICS [IF NOT EXISTS] [_] [( ... )] ON ... FROM <table>", _WEAK),
    Rule("COMMENT ON {TABLE|VIEW|MATERIALIZED VIEW} <table>", _WEAK),
    Rule("COMMENT ON COLUMN <column>", _WEAK),
    Rule("COMMENT ON {CONSTRAINT|TRIGGER|RULE|POLICY} _ ON <table>", Mode.ACCESS_SHARE),
    Rule("COMMENT ON {INDEX|TYPE|SCHEMA|EXTENSION|FUNCTION|SEQUENCE|DOMAIN} _"),
    Rule("INSERT INTO <table>", Mode.ROW_EXCLUSIVE, Work.CHANGES),
    Rule("UPDATE [ONLY] <table>", Mode.ROW_EXCLUSIVE, Work.CHANGES),
    Rule("DELETE FROM [ONLY] <table>", Mode.ROW_EXCLUSIVE, Work.CHANGES),
    Rule("MERGE INTO [ONLY] <table>", Mode.ROW_EXCLUSIVE, Work.CHANGES),
    Rule("COPY <table> [( ... )] FROM", Mode.ROW_EXCLUSIVE, Work.CHANGES),
    Rule("ALTER TYPE _ {ADD VALUE|RENAME VALUE|RENAME TO|OWNER TO|SET SCHEMA}"),
    Rule("CREATE [OR REPLACE] {FUNCTION|PROCEDURE|AGGREGATE|OPERATOR}"),
    Rule("CREATE {TYPE|DOMAIN|SCHEMA|EXTENSION|COLLATION|ROLE|CAST|TEXT SEARCH}"),
    Rule("CREATE [{TEMPORARY|TEMP}] SEQUENCE"),
    Rule("CREATE [{GLOBAL|LOCAL}] {TEMPORARY|TEMP} {TABLE|VIEW}"),
    Rule("ALTER {FUNCTION|PROCEDURE|SCHEMA|EXTENSION|ROLE|DEFAULT PRIVILEGES}"),
    Rule("{GRANT|REVOKE}"),
    Rule("{BEGIN|START|COMMIT|END|SAVEPOINT|RELEASE|ROLLBACK|SET|RESET}"),
)  # fmt: skip

# What drops nothing else that depends on it.
_DROPS = (
    "DROP {TYPE|FUNCTION|PROCEDURE|AGGREGATE|OPERATOR|DOMAIN|SEQUENCE|EXTENSION|SCHEMA|ROLE|CAST} "
)

# Functions that SELECT may call without doing anything to a table.
_HARMLESS = {
    "COUNT",
    "MAX",
    "MIN",
    "SUM",
    "COALESCE",
    "SETVAL",
    "NEXTVAL",
    "SET_CONFIG",
    "PG_SLEEP",
}


def effects_of(statement: Statement, world: World) -> list[Effect] | None:
    """The tables that a statement locks, each once; None where that is not known.

    Args:
        statement: of a revision.
        world: what the statement finds.
    """
    text = statement.text
    if found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        effects = list(effects_of_alteration(world, Name.of(found["table"]), text[found.end() :]))
    elif found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        table = Name.of(found["table"])
        is_there = " IF NOT EXISTS " in text and world.full_name(table) in world.tables
        effects = [] if is_there else list(_of_create_table(table, text))
    elif found := matches(text, "DROP TABLE [IF EXISTS] <tables>"):
        effects = list(_of_drop_table(world, names_of(found["tables"]), "CASCADE" in text.split()))
    elif matches(text, _DROPS):
        return None if "CASCADE" in text.split() else []
    elif matches(text, "SELECT"):
        return _of_select(text)
    else:
        rule = next((rule for rule in STATEMENTS if matches(text, rule.synopsis)), None)
        named = _of_rule(world, rule, text) if rule else None
        if named is None:
            return None
        effects = named
    return _strongest(world, effects)


def _of_rule(world: World, rule: Rule, text: str) -> list[Effect] | None:
    found = matches(text, rule.synopsis)
    assert found is not None
    if rule.mode is None:
        return []
    groups = found.groupdict()
    names = names_of(groups.get("table") or groups.get("tables") or "")
    if "column" in groups:
        names = names_of(groups["column"].rpartition(" . ")[0])
    for index in names_of(groups.get("index") or groups.get("indexes") or ""):
        table = world.table_of_index(index)
        if table is None:
            return None
        names.append(table)
    if text.startswith("TRUNCATE") and "CASCADE" in text.split():
        for name in names:  # which grows meanwhile
            names += [key.table for key in world.keys_to(name) if key.table not in names]
    return [Effect(name, rule.mode, rule.work) for name in names]


def _of_create_table(table: Name, text: str) -> Iterator[Effect]:
    """The table itself is new; those that it refers to are not."""
    yield Effect(table, _ALL)
    for other in re.findall(rf"(?<= REFERENCES ){NAMES}", text):
        yield Effect(Name.of(other), _KEY)
    if found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] _ PARTITION OF <table>"):
        yield Effect(Name.of(found["table"]), _ALL)
    if found := matches(text, "CREATE [UNLOGGED] TABLE ... INHERITS ( <tables> )"):
        yield from (Effect(name, _WEAK) for name in names_of(found["tables"]))


def _of_drop_table(world: World, tables: list[Name], cascades: bool) -> Iterator[Effect]:
    for table in tables:
        yield Effect(table, _ALL)
        yield from (Effect(key.referred, _ALL) for key in world.keys_of(table))
        if cascades:
            yield from (Effect(key.table, _ALL) for key in world.keys_to(table))


def _of_select(text: str) -> list[Effect] | None:
    """Reading is not listed; a function may do anything."""
    called = set(re.findall(rf"({NAME}) \(", text))
    return [] if called <= _HARMLESS | {"IN", "FROM", "AS", "EXISTS", "SELECT", "WHERE"} else None


def _strongest(world: World, effects: list[Effect]) -> list[Effect]:
    """One for each table."""
    found: dict[Name, Effect] = {}
    for effect in effects:
        table = world.full_name(effect.table)
        before = found.get(table, Effect(table, effect.mode))
        work = effect.work or before.work
        found[table] = Effect(table, max(before.mode, effect.mode), work)
    return list(found.values())
