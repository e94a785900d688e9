"""What the actions of ALTER TABLE lock, and whether they read or write all rows.

https://www.postgresql.org/docs/current/sql-altertable.html
"""

import re
from collections.abc import Iterator

from .effects import Effect, Mode, Rule, Work
from .statements import NAME, NAMES, Name, matches, split_at_commas
from .types import work_of_new_type
from .world import World

_WEAK = Mode.SHARE_UPDATE_EXCLUSIVE
_KEY = Mode.SHARE_ROW_EXCLUSIVE
_ALL = Mode.ACCESS_EXCLUSIVE

# The first that fits counts.
ACTIONS = (
    Rule("ADD [CONSTRAINT _] CHECK ... NOT VALID", _ALL),
    Rule("ADD [CONSTRAINT _] CHECK", _ALL, Work.READS),
    Rule("ADD [CONSTRAINT _] FOREIGN KEY ( ... ) REFERENCES <other> ... NOT VALID", _KEY, None, _KEY),
    Rule("ADD [CONSTRAINT _] FOREIGN KEY ( ... ) REFERENCES <other>", _KEY, Work.READS, _KEY),
    Rule("ADD [CONSTRAINT _] UNIQUE USING INDEX", _ALL),
    Rule("ADD [CONSTRAINT _] {UNIQUE|PRIMARY KEY|EXCLUDE}", _ALL, Work.READS),
    Rule("ADD [CONSTRAINT _] NOT NULL _ ... NOT VALID", _ALL),
    Rule("ADD [CONSTRAINT _] NOT NULL", _ALL, Work.READS),
    Rule("VALIDATE CONSTRAINT _", _WEAK, Work.READS),
    Rule("ALTER CONSTRAINT _", _ALL),
    Rule("DROP CONSTRAINT [IF EXISTS] _", _ALL),
    Rule("DROP [COLUMN] [IF EXISTS] _", _ALL),
    Rule("RENAME", _ALL),
    Rule("ALTER [COLUMN] _ SET NOT NULL", _ALL, Work.READS),
    Rule("ALTER [COLUMN] _ SET STATISTICS", _WEAK),
    Rule("ALTER [COLUMN] _ {SET|RESET} (", _WEAK),
    Rule("ALTER [COLUMN] _ SET EXPRESSION", _ALL, Work.REWRITES),
    Rule("ALTER [COLUMN] _ {SET|DROP|ADD|RESTART}", _ALL),
    Rule("{SET|RESET} (", _WEAK),
    Rule("{CLUSTER ON|SET WITHOUT CLUSTER}", _WEAK),
    Rule("SET {LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD}", _ALL, Work.REWRITES),
    Rule("SET SCHEMA", _ALL),
    Rule("{ENABLE|DISABLE} [{REPLICA|ALWAYS}] TRIGGER", _KEY),
    Rule("{ENABLE|DISABLE} [{REPLICA|ALWAYS}] RULE", _ALL),
    Rule("{ENABLE|DISABLE|FORCE|NO FORCE} ROW LEVEL SECURITY", _ALL),
    Rule("{OWNER TO|REPLICA IDENTITY}", _ALL),
    Rule("ATTACH PARTITION <other>", _WEAK, None, _ALL, Work.READS),
    Rule("DETACH PARTITION <other> CONCURRENTLY", _WEAK, None, _ALL),
    Rule("DETACH PARTITION <other>", _ALL, None, _ALL),
    Rule("{INHERIT|NO INHERIT} <other>", _ALL, None, _WEAK),
)  # fmt: skip


# What else may stand in the definition of a column.
_DEFAULT = re.compile(
    r" DEFAULT (.*?)(?= (?:NOT NULL|CHECK|REFERENCES|UNIQUE|PRIMARY KEY|CONSTRAINT|COLLATE) |$)"
)
_CALL = re.compile(rf"({NAME}) \(")


def effects_of_alteration(world: World, table: Name, actions: str) -> Iterator[Effect]:
    """What ALTER TABLE locks: the table, and those that foreign keys tie to it."""
    for action in split_at_commas(actions):
        yield from _of_action(world, table, action)


def _of_action(world: World, table: Name, action: str) -> Iterator[Effect]:
    for rule in ACTIONS:
        if found := matches(action, rule.synopsis):
            assert rule.mode is not None
            yield Effect(table, rule.mode, rule.work)
            if rule.other:
                yield Effect(Name.of(found["other"]), rule.other, rule.other_work)
            yield from _of_keys(world, table, action)
            return
    if found := matches(action, "ALTER [COLUMN] <column> {TYPE|SET DATA TYPE}"):
        column = Name.of(found["column"]).name
        new, _, using = action[found.end() :].partition(" USING ")
        old = world.table(table).columns.get(column)
        yield Effect(table, _ALL, work_of_new_type(old, new, using, found["column"]))
    elif found := matches(action, "ADD [COLUMN] [IF NOT EXISTS] <column>"):
        definition = f" {action[found.end() :]}"
        yield Effect(table, _ALL, _work_of_new_column(world, definition))
        yield from (
            Effect(Name.of(other), _KEY)
            for other in re.findall(rf"(?<= REFERENCES ){NAMES}", definition)
        )
    else:  # "An ACCESS EXCLUSIVE lock is acquired unless explicitly noted."
        yield Effect(table, _ALL, Work.MAY_REWRITE)


def _of_keys(world: World, table: Name, action: str) -> Iterator[Effect]:
    """A foreign key is looked at, or goes: its triggers are on the other table too."""
    if found := matches(action, "VALIDATE CONSTRAINT <constraint>"):
        mode, name, column = Mode.ROW_SHARE, Name.of(found["constraint"]).name, None
    elif found := matches(action, "DROP CONSTRAINT [IF EXISTS] <constraint>"):
        mode, name, column = _ALL, Name.of(found["constraint"]).name, None
    elif found := matches(action, "DROP [COLUMN] [IF EXISTS] <column>"):
        mode, name, column = _ALL, None, Name.of(found["column"]).name
    else:
        return
    for key in world.keys_of(table):
        if key.name == name or column in key.columns:
            yield Effect(key.referred, mode)
    if action.endswith(" CASCADE"):
        yield from (Effect(key.table, _ALL) for key in world.keys_to(table))


def _work_of_new_column(world: World, definition: str) -> Work | None:
    found = matches(definition.strip(), "<type>")
    type_ = Name.of(found["type"]).name if found else ""
    if type_ in world.domains or "serial" in type_:
        return Work.REWRITES
    if re.search(r" GENERATED (ALWAYS|BY DEFAULT) AS (IDENTITY|\( .* \) STORED)", definition):
        return Work.REWRITES
    default = _DEFAULT.search(definition)
    calls = [world.is_volatile(name) for name in _CALL.findall(default[1] if default else "")]
    if True in calls:
        return Work.REWRITES
    if None in calls:
        return Work.MAY_REWRITE
    if re.search(r" (UNIQUE|PRIMARY KEY|CHECK)\b", definition):
        return Work.READS
    return Work.READS if default and " REFERENCES " in definition else None
