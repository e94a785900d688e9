"""The locks that Postgres takes for each kind of statement, as its documentation lists them.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
https://www.postgresql.org/docs/current/sql-altertable.html

Locks of reads and of foreign key checks are left out: they block no reads or writes.
"""

from enum import StrEnum
from typing import NamedTuple

from alembic_live.commands.plan.effects import LockMode as LockMode
from alembic_live.sql.statements import Name


class RuleWork(StrEnum):
    """RuleWork whose duration grows with the number of rows."""

    READS = "reads"
    CHANGES = "changes rows of"
    REWRITES = "rewrites"
    MAY_REWRITE = "may rewrite"


class Effect(NamedTuple):
    """The lock that a statement takes on one table, and the work that it does there."""

    table: Name
    mode: LockMode
    work: RuleWork | None = None


class LockRule(NamedTuple):
    """The effect of statements with one synopsis.

    `mode` and `work` apply to `<table>`, `<tables>` or the table of `<index>`; `other` and
    `other_work` to `<other>`. Without a mode, the statement locks no table.
    """

    synopsis: str
    mode: LockMode | None = None
    work: RuleWork | None = None
    other: LockMode | None = None
    other_work: RuleWork | None = None


WEAK = LockMode.SHARE_UPDATE_EXCLUSIVE
KEY = LockMode.SHARE_ROW_EXCLUSIVE
ALL = LockMode.ACCESS_EXCLUSIVE

# The actions of ALTER TABLE. The first rule that matches applies.
ACTIONS = (
    LockRule("ADD [CONSTRAINT _] CHECK ... NOT VALID", ALL),
    LockRule("ADD [CONSTRAINT _] CHECK", ALL, RuleWork.READS),
    LockRule("ADD [CONSTRAINT _] FOREIGN KEY ( ... ) REFERENCES <other> ... NOT VALID", KEY, None, KEY),
    LockRule("ADD [CONSTRAINT _] FOREIGN KEY ( ... ) REFERENCES <other>", KEY, RuleWork.READS, KEY),
    LockRule("ADD [CONSTRAINT _] UNIQUE USING INDEX", ALL),
    LockRule("ADD [CONSTRAINT _] {UNIQUE|PRIMARY KEY|EXCLUDE}", ALL, RuleWork.READS),
    LockRule("ADD [CONSTRAINT _] NOT NULL _ ... NOT VALID", ALL),
    LockRule("ADD [CONSTRAINT _] NOT NULL", ALL, RuleWork.READS),
    LockRule("VALIDATE CONSTRAINT _", WEAK, RuleWork.READS),
    LockRule("ALTER CONSTRAINT _", ALL),
    LockRule("DROP CONSTRAINT [IF EXISTS] _", ALL),
    LockRule("DROP [COLUMN] [IF EXISTS] _", ALL),
    LockRule("RENAME", ALL),
    LockRule("ALTER [COLUMN] _ SET NOT NULL", ALL, RuleWork.READS),
    LockRule("ALTER [COLUMN] _ SET STATISTICS", WEAK),
    LockRule("ALTER [COLUMN] _ {SET|RESET} (", WEAK),
    LockRule("ALTER [COLUMN] _ SET EXPRESSION", ALL, RuleWork.REWRITES),
    LockRule("ALTER [COLUMN] _ {SET|DROP|ADD|RESTART}", ALL),
    LockRule("{SET|RESET} (", WEAK),
    LockRule("{CLUSTER ON|SET WITHOUT CLUSTER}", WEAK),
    LockRule("SET {LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD}", ALL, RuleWork.REWRITES),
    LockRule("SET SCHEMA", ALL),
    LockRule("{ENABLE|DISABLE} [{REPLICA|ALWAYS}] TRIGGER", KEY),
    LockRule("{ENABLE|DISABLE} [{REPLICA|ALWAYS}] RULE", ALL),
    LockRule("{ENABLE|DISABLE|FORCE|NO FORCE} ROW LEVEL SECURITY", ALL),
    LockRule("{OWNER TO|REPLICA IDENTITY}", ALL),
    LockRule("ATTACH PARTITION <other>", WEAK, None, ALL, RuleWork.READS),
    LockRule("DETACH PARTITION <other> CONCURRENTLY", WEAK, None, ALL),
    LockRule("DETACH PARTITION <other>", ALL, None, ALL),
    LockRule("{INHERIT|NO INHERIT} <other>", ALL, None, WEAK),
)  # fmt: skip

# The other statements. The first rule that matches applies.
STATEMENTS = (
    LockRule("CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] [_] ON [ONLY] <table>", WEAK, RuleWork.READS),
    LockRule("CREATE [UNIQUE] INDEX [IF NOT EXISTS] [_] ON ONLY <table>", LockMode.SHARE),
    LockRule("CREATE [UNIQUE] INDEX [IF NOT EXISTS] [_] ON <table>", LockMode.SHARE, RuleWork.READS),
    LockRule("DROP INDEX CONCURRENTLY [IF EXISTS] <indexes>", WEAK),
    LockRule("DROP INDEX [IF EXISTS] <indexes>", ALL),
    LockRule("ALTER INDEX [IF EXISTS] _ RENAME"),
    LockRule("REINDEX [( ... )] INDEX CONCURRENTLY <index>", WEAK, RuleWork.READS),
    LockRule("REINDEX [( ... )] INDEX <index>", LockMode.SHARE, RuleWork.READS),
    LockRule("REINDEX [( ... )] TABLE CONCURRENTLY <table>", WEAK, RuleWork.READS),
    LockRule("REINDEX [( ... )] TABLE <table>", LockMode.SHARE, RuleWork.READS),
    LockRule("CREATE OR REPLACE [RECURSIVE] VIEW <table>", ALL),
    LockRule("CREATE [RECURSIVE] VIEW"),
    LockRule("CREATE MATERIALIZED VIEW [IF NOT EXISTS] <table>", ALL),
    LockRule("ALTER [MATERIALIZED] VIEW [IF EXISTS] <table>", ALL),
    LockRule("DROP [MATERIALIZED] VIEW [IF EXISTS] <tables>", ALL),
    LockRule("REFRESH MATERIALIZED VIEW CONCURRENTLY <table>", LockMode.EXCLUSIVE, RuleWork.CHANGES),
    LockRule("REFRESH MATERIALIZED VIEW <table>", ALL, RuleWork.REWRITES),
    LockRule("TRUNCATE [TABLE] [ONLY] <tables>", ALL),
    *(LockRule(f"LOCK [TABLE] [ONLY] <tables> IN {mode} MODE", mode) for mode in LockMode),
    LockRule("LOCK [TABLE] [ONLY] <tables>", ALL),
    LockRule("CLUSTER [VERBOSE] <table>", ALL, RuleWork.REWRITES),
    LockRule("ANALYZE [VERBOSE] <tables>", WEAK),
    LockRule("CREATE [OR REPLACE] [CONSTRAINT] TRIGGER _ ... ON <table>", KEY),
    LockRule("DROP TRIGGER [IF EXISTS] _ ON <table>", ALL),
    LockRule("ALTER TRIGGER _ ON <table> RENAME", ALL),
    LockRule("CREATE [OR REPLACE] RULE _ AS ON ... TO <table>", ALL),
    LockRule("DROP RULE [IF EXISTS] _ ON <table>", ALL),
    LockRule("{CREATE|ALTER} POLICY _ ON <table>", ALL),
    LockRule("DROP POLICY [IF EXISTS] _ ON <table>", ALL),
    LockRule("CREATE STATISTICS [IF NOT EXISTS] [_] [( ... )] ON ... FROM <table>", WEAK),
    LockRule("COMMENT ON {TABLE|VIEW|MATERIALIZED VIEW} <table>", WEAK),
    LockRule("COMMENT ON COLUMN <column>", WEAK),
    LockRule("COMMENT ON {CONSTRAINT|TRIGGER|RULE|POLICY} _ ON <table>", LockMode.ACCESS_SHARE),
    LockRule("COMMENT ON {INDEX|TYPE|SCHEMA|EXTENSION|FUNCTION|SEQUENCE|DOMAIN} _"),
    LockRule("INSERT INTO <table>", LockMode.ROW_EXCLUSIVE, RuleWork.CHANGES),
    LockRule("UPDATE [ONLY] <table>", LockMode.ROW_EXCLUSIVE, RuleWork.CHANGES),
    LockRule("DELETE FROM [ONLY] <table>", LockMode.ROW_EXCLUSIVE, RuleWork.CHANGES),
    LockRule("MERGE INTO [ONLY] <table>", LockMode.ROW_EXCLUSIVE, RuleWork.CHANGES),
    LockRule("COPY <table> [( ... )] FROM", LockMode.ROW_EXCLUSIVE, RuleWork.CHANGES),
    LockRule("ALTER TYPE _ {ADD VALUE|RENAME VALUE|RENAME TO|OWNER TO|SET SCHEMA}"),
    LockRule("CREATE [OR REPLACE] {FUNCTION|PROCEDURE|AGGREGATE|OPERATOR}"),
    LockRule("CREATE {TYPE|DOMAIN|SCHEMA|EXTENSION|COLLATION|ROLE|CAST|TEXT SEARCH}"),
    LockRule("CREATE [{TEMPORARY|TEMP}] SEQUENCE"),
    LockRule("CREATE [{GLOBAL|LOCAL}] {TEMPORARY|TEMP} {TABLE|VIEW}"),
    LockRule("ALTER {FUNCTION|PROCEDURE|SCHEMA|EXTENSION|ROLE|DEFAULT PRIVILEGES}"),
    LockRule("{GRANT|REVOKE}"),
    LockRule("{BEGIN|START|COMMIT|END|SAVEPOINT|RELEASE|ROLLBACK|SET|RESET}"),
)  # fmt: skip
