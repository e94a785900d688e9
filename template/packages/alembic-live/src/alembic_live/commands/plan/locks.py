"""The tables that a statement locks, and whether it scans or rewrites them while it holds the lock."""

import re
from collections.abc import Iterator

from alembic_live.commands.plan.catalog import Catalog
from alembic_live.commands.plan.lock_rules import (
    ACTIONS,
    ALL,
    KEY,
    STATEMENTS,
    WEAK,
    Effect,
    LockMode,
    LockRule,
    RuleWork,
)
from alembic_live.sql.statements import (
    NAME,
    NAMES,
    Name,
    Statement,
    matches,
    names_of,
    split_at_commas,
)

# Without CASCADE these lock no table.
_DROPS = (
    "DROP {TYPE|FUNCTION|PROCEDURE|AGGREGATE|OPERATOR|DOMAIN|SEQUENCE|EXTENSION|SCHEMA|ROLE|CAST} "
)

# Functions that change no table when a SELECT calls them.
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

# The default in the definition of a column, up to the next clause.
_DEFAULT = re.compile(
    r" DEFAULT (.*?)(?= (?:NOT NULL|CHECK|REFERENCES|UNIQUE|PRIMARY KEY|CONSTRAINT|COLLATE) |$)"
)
_CALL = re.compile(rf"({NAME}) \(")

# Names of types, as format_type() writes them.
_ALIASES = {
    "varchar": "character varying",
    "char": "character",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "decimal": "numeric",
    "bool": "boolean",
    "float8": "double precision",
    "float4": "real",
    "float": "double precision",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}

_TEXTS = ("text", "character varying")


def effects_of(statement: Statement, catalog: Catalog) -> list[Effect] | None:
    """The tables that a statement locks, each once; None if they are unknown.

    Args:
        statement: a statement of a revision.
        catalog: the catalog before the statement.
    """
    text = statement.text
    if found := matches(text, "ALTER TABLE [IF EXISTS] [ONLY] <table>"):
        effects = list(_of_alter_table(catalog, Name.of(found["table"]), text[found.end() :]))
    elif found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] <table>"):
        table = Name.of(found["table"])
        exists = " IF NOT EXISTS " in text and catalog.full_name(table) in catalog.tables
        effects = [] if exists else list(_of_create_table(table, text))
    elif found := matches(text, "DROP TABLE [IF EXISTS] <tables>"):
        effects = list(
            _of_drop_table(catalog, names_of(found["tables"]), "CASCADE" in text.split())
        )
    elif matches(text, _DROPS):
        return None if "CASCADE" in text.split() else []
    elif matches(text, "SELECT"):
        return _of_select(text)
    else:
        rule = next((rule for rule in STATEMENTS if matches(text, rule.synopsis)), None)
        named = _of_rule(catalog, rule, text) if rule else None
        if named is None:
            return None
        effects = named
    return _strongest(catalog, effects)


def _of_rule(catalog: Catalog, rule: LockRule, text: str) -> list[Effect] | None:
    found = matches(text, rule.synopsis)
    assert found is not None
    if rule.mode is None:
        return []
    groups = found.groupdict()
    names = names_of(groups.get("table") or groups.get("tables") or "")
    if "column" in groups:
        names = names_of(groups["column"].rpartition(" . ")[0])
    for index in names_of(groups.get("index") or groups.get("indexes") or ""):
        table = catalog.table_of_index(index)
        if table is None:
            return None
        names.append(table)
    if text.startswith("TRUNCATE") and "CASCADE" in text.split():
        for name in names:  # the loop appends to it
            names += [key.table for key in catalog.keys_to(name) if key.table not in names]
    return [Effect(name, rule.mode, rule.work) for name in names]


def _of_create_table(table: Name, text: str) -> Iterator[Effect]:
    """The new table, and the existing tables that it references."""
    yield Effect(table, ALL)
    for other in re.findall(rf"(?<= REFERENCES ){NAMES}", text):
        yield Effect(Name.of(other), KEY)
    if found := matches(text, "CREATE [UNLOGGED] TABLE [IF NOT EXISTS] _ PARTITION OF <table>"):
        yield Effect(Name.of(found["table"]), ALL)
    if found := matches(text, "CREATE [UNLOGGED] TABLE ... INHERITS ( <tables> )"):
        yield from (Effect(name, WEAK) for name in names_of(found["tables"]))


def _of_drop_table(catalog: Catalog, tables: list[Name], cascades: bool) -> Iterator[Effect]:
    for table in tables:
        yield Effect(table, ALL)
        yield from (Effect(key.referred, ALL) for key in catalog.keys_of(table))
        if cascades:
            yield from (Effect(key.table, ALL) for key in catalog.keys_to(table))


def _of_select(text: str) -> list[Effect] | None:
    """A SELECT blocks nothing, unless it calls a function with unknown effects."""
    called = set(re.findall(rf"({NAME}) \(", text))
    return [] if called <= _HARMLESS | {"IN", "FROM", "AS", "EXISTS", "SELECT", "WHERE"} else None


def _strongest(catalog: Catalog, effects: list[Effect]) -> list[Effect]:
    """One effect for each table, with the strongest lock."""
    found: dict[Name, Effect] = {}
    for effect in effects:
        table = catalog.full_name(effect.table)
        before = found.get(table, Effect(table, effect.mode))
        work = effect.work or before.work
        found[table] = Effect(table, max(before.mode, effect.mode), work)
    return list(found.values())


def _of_alter_table(catalog: Catalog, table: Name, actions: str) -> Iterator[Effect]:
    """The table itself, and the tables at the other end of its foreign keys."""
    for action in split_at_commas(actions):
        yield from _of_action(catalog, table, action)


def _of_action(catalog: Catalog, table: Name, action: str) -> Iterator[Effect]:
    for rule in ACTIONS:
        if found := matches(action, rule.synopsis):
            assert rule.mode is not None
            yield Effect(table, rule.mode, rule.work)
            if rule.other:
                yield Effect(Name.of(found["other"]), rule.other, rule.other_work)
            yield from _of_keys(catalog, table, action)
            return
    if found := matches(action, "ALTER [COLUMN] <column> {TYPE|SET DATA TYPE}"):
        column = Name.of(found["column"]).name
        new, _, using = action[found.end() :].partition(" USING ")
        old = catalog.table(table).columns.get(column)
        yield Effect(table, ALL, work_of_new_type(old, new, using, found["column"]))
    elif found := matches(action, "ADD [COLUMN] [IF NOT EXISTS] <column>"):
        definition = f" {action[found.end() :]}"
        yield Effect(table, ALL, _work_of_new_column(catalog, definition))
        yield from (
            Effect(Name.of(other), KEY)
            for other in re.findall(rf"(?<= REFERENCES ){NAMES}", definition)
        )
    else:  # the documentation: "An ACCESS EXCLUSIVE lock is acquired unless explicitly noted."
        yield Effect(table, ALL, RuleWork.MAY_REWRITE)


def _of_keys(catalog: Catalog, table: Name, action: str) -> Iterator[Effect]:
    """Validating or dropping a foreign key locks the referenced table too: it has triggers there."""
    if found := matches(action, "VALIDATE CONSTRAINT <constraint>"):
        mode, name, column = LockMode.ROW_SHARE, Name.of(found["constraint"]).name, None
    elif found := matches(action, "DROP CONSTRAINT [IF EXISTS] <constraint>"):
        mode, name, column = ALL, Name.of(found["constraint"]).name, None
    elif found := matches(action, "DROP [COLUMN] [IF EXISTS] <column>"):
        mode, name, column = ALL, None, Name.of(found["column"]).name
    else:
        return
    for key in catalog.keys_of(table):
        if key.name == name or column in key.columns:
            yield Effect(key.referred, mode)
    if action.endswith(" CASCADE"):
        yield from (Effect(key.table, ALL) for key in catalog.keys_to(table))


def _work_of_new_column(catalog: Catalog, definition: str) -> RuleWork | None:
    found = matches(definition.strip(), "<type>")
    type_ = Name.of(found["type"]).name if found else ""
    if type_ in catalog.domains or "serial" in type_:
        return RuleWork.REWRITES
    if re.search(r" GENERATED (ALWAYS|BY DEFAULT) AS (IDENTITY|\( .* \) STORED)", definition):
        return RuleWork.REWRITES
    default = _DEFAULT.search(definition)
    calls = [catalog.is_volatile(name) for name in _CALL.findall(default[1] if default else "")]
    if True in calls:
        return RuleWork.REWRITES
    if None in calls:
        return RuleWork.MAY_REWRITE
    if re.search(r" (UNIQUE|PRIMARY KEY|CHECK)\b", definition):
        return RuleWork.READS
    return RuleWork.READS if default and " REFERENCES " in definition else None


def work_of_new_type(
    old: str | None, new: str, using: str = "", column: str = ""
) -> RuleWork | None:
    """The work of ALTER COLUMN … TYPE: a table rewrite, unless both types have the same storage.

    Args:
        old: the current type of the column; None if it is unknown.
        new: the type in the statement, its tokens separated by spaces.
        using: the expression after USING. A plain conversion of the column counts as no expression.
        column: the column, as the statement writes it.
    """
    new = re.sub(r" COLLATE .*", "", new)
    if using and using.replace("( ", "").replace(" )", "") not in (column, f"{column} :: {new}"):
        return RuleWork.REWRITES
    if old is None:
        return RuleWork.MAY_REWRITE
    return None if _has_same_storage(*_parts(old), *_parts(new)) else RuleWork.REWRITES


def _has_same_storage(old: str, before: list[int], new: str, after: list[int]) -> bool:
    """Whether a stored value of one type is a valid value of the other."""
    if old == new:
        grows = bool(before) and len(before) == len(after) and before[0] <= after[0]
        return before == after or not after or (grows and before[1:] == after[1:])
    return old in _TEXTS and new in _TEXTS and not after


def _parts(type_: str) -> tuple[str, list[int]]:
    """The name of a type, and the numbers in its parentheses."""
    type_ = type_.replace('"', "").lower()
    numbers = [int(number) for number in re.findall(r"(?<=[(,] )\d+|(?<=[(,])\d+", type_)]
    name = " ".join(re.sub(r"\([^)]*\)", " ", type_).split()).rpartition(" . ")[2]
    return _ALIASES.get(name, name), numbers
