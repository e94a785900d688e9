"""What Postgres stores for the definitions of the models.

Postgres parses a default, a check or an index and prints it in another form. Only the server knows
that form: it creates the parts of the models on empty temporary copies of their tables, prints them
beside those that exist, and rolls back. One query compares all parts. It executes none of them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from alembic_live.postgres.connection import execute_verbatim
from alembic_live.postgres.explanations import reason_of
from alembic_live.sql.quoting import identifier

Kind = Literal["default", "computed", "index", "check", "unique", "exclude"]

# Errors of the model: Postgres cannot store its definition in the schema that the database has now,
# so it differs from what the database has.
ERRORS_OF_MODELS = ("22", "2B", "42")
NOT_ALLOWED = "42501"

NEEDED = "A comparison needs temporary tables: the privilege TEMPORARY, and a server that writes"

# The definition of a part. A copy has only one part of a kind, whose name is not asked for.
DEFINITION = """
CREATE FUNCTION pg_temp.alembic_live_definition(relation oid, kind text, object text) RETURNS text
LANGUAGE sql AS $f$
    SELECT CASE
        WHEN kind IN ('default', 'computed') THEN (
            SELECT pg_get_expr(d.adbin, d.adrelid)
            FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = relation AND a.attname = object AND NOT a.attisdropped)
        WHEN kind = 'index' THEN (
            SELECT concat(CASE WHEN i.indisunique THEN 'UNIQUE ' END, 'INDEX ON pg_temp.',
                          quote_ident(t.relname),
                          substr(d.text, strpos(d.text, written) + length(written) - 7))
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            JOIN pg_class t ON t.oid = i.indrelid
            CROSS JOIN pg_get_indexdef(c.oid) AS d(text)
            CROSS JOIN concat('.', quote_ident(t.relname), ' USING ') AS w(written)
            WHERE i.indrelid = relation AND (object IS NULL OR c.relname = object))
        ELSE (
            SELECT regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '')
            FROM pg_constraint k
            WHERE k.conrelid = relation AND (object IS NULL OR k.conname = object)
              AND k.contype = CASE kind WHEN 'exclude' THEN 'x' ELSE left(kind, 1) END::"char")
    END
$f$
"""
# Postgres prints some definitions differently after it has parsed its own output, as a restored dump
# has them. So definitions that differ are parsed once more.
COMPARISON = """
CREATE FUNCTION pg_temp.alembic_live_compare(tables json) RETURNS json
LANGUAGE plpgsql AS $f$
DECLARE
    part json; change text; existing text[]; wanted text; wanted_name text; printed text[];
    relation oid; copy oid; number int; body text; failure json; answers json[] := '{}';
    tab json;
BEGIN
    FOR tab IN SELECT json_array_elements(tables) LOOP
        relation := to_regclass(tab->>'table');
        existing := ARRAY(
            SELECT pg_temp.alembic_live_definition(relation, each->>'kind', each->>'name')
            FROM json_array_elements(tab->'parts') WITH ORDINALITY AS all_parts(each, place)
            ORDER BY place);
        number := 0;
        BEGIN
            EXECUTE format('CREATE TEMPORARY TABLE %s (LIKE %s)', tab->>'copy', tab->>'table');
            copy := to_regclass(format('pg_temp.%s', tab->>'copy'));
            FOR change IN SELECT json_array_elements_text(tab->'changes') LOOP
                BEGIN EXECUTE change; EXCEPTION WHEN others THEN NULL; END;
            END LOOP;
            FOR part IN SELECT json_array_elements(tab->'parts') LOOP
                number := number + 1; printed := '{}'; failure := NULL;
                FOREACH body IN ARRAY ARRAY[part->>'body', existing[number], NULL] LOOP
                    body := coalesce(body, printed[1]);
                    EXIT WHEN body IS NULL;
                    BEGIN
                        EXECUTE concat(part->>'before', body, part->>'after');
                        wanted := pg_temp.alembic_live_definition(
                            copy, part->>'kind', part->>'column');
                        SELECT conname INTO wanted_name FROM pg_constraint
                        WHERE conrelid = copy AND contype = left(part->>'kind', 1)::"char";
                        RAISE SQLSTATE 'ALIVE';
                    EXCEPTION
                        WHEN SQLSTATE 'ALIVE' THEN NULL;
                        WHEN others THEN
                            wanted := NULL;
                            failure := json_build_array(SQLSTATE, SQLERRM);
                    END;
                    printed := printed || wanted;
                    EXIT WHEN failure IS NOT NULL OR printed[1] IS NULL OR existing[number] IS NULL
                        OR printed[1] = existing[number];
                END LOOP;
                answers := answers || json_build_object(
                    'existing', existing[number], 'wanted', printed[1], 'name', wanted_name,
                    'failure', failure, 'is_same', printed[1] IS NOT DISTINCT FROM existing[number]
                        OR coalesce(printed[2] = printed[3], false));
            END LOOP;
            RAISE SQLSTATE 'ALIVE';
        EXCEPTION
            WHEN SQLSTATE 'ALIVE' THEN NULL;
            WHEN others THEN
                failure := json_build_array(SQLSTATE, SQLERRM);
                FOR number IN number + 1 .. json_array_length(tab->'parts') LOOP
                    answers := answers || json_build_object(
                        'existing', existing[number], 'failure', failure, 'is_copied', false);
                END LOOP;
        END;
    END LOOP;
    RETURN array_to_json(answers);
END
$f$
"""
COMPARE = text("SELECT pg_temp.alembic_live_compare(CAST(:tables AS json))")


@dataclass(frozen=True, slots=True)
class Part:
    """A default, constraint or index of a model, as SQL of which Postgres may print the middle."""

    kind: Kind
    name: str | None  # of the part that the database has, or of its column
    before: str
    body: str
    after: str = ""


@dataclass(slots=True)
class CopiedTable:
    """A table that the database has, and the parts of its model to compare."""

    schema: str
    name: str
    changes: list[str] = field(default_factory=list)  # make the columns of the copy those to come
    parts: list[Part] = field(default_factory=list)

    @property
    def copy(self) -> str:
        """The temporary copy, in SQL. It has the name of the table, which expressions may contain."""
        return identifier("pg_temp", self.name)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says of one part.

    Attributes:
        is_same: whether the database has what the model wants; None if that is not known.
        existing: the definition in the database.
        wanted: the definition that Postgres would store for the model.
        name: the name that Postgres gives the wanted constraint if the model gives none.
        reason: why it is not known, or why Postgres refuses the definition.
    """

    is_same: bool | None
    existing: str | None = None
    wanted: str | None = None
    name: str | None = None
    reason: str = ""


def compare_stored(connection: Connection, tables: Sequence[CopiedTable]) -> list[Answer]:
    """Compare the parts of the tables with those that the database has. The database is left as it
    is.

    Returns:
        An answer for each part of each table, in their order.
    """
    parts = sum(len(table.parts) for table in tables)
    if not parts:
        return []
    savepoint = connection.begin_nested()
    try:
        execute_verbatim(connection, f"DO $do$ BEGIN {DEFINITION}; {COMPARISON}; END $do$")
        found = connection.scalar(COMPARE, {"tables": json.dumps(list(map(_as_json, tables)))})
    except DBAPIError as error:
        return [Answer(None, reason=f"{reason_of(error)}. {NEEDED}")] * parts
    finally:
        savepoint.rollback()
    return list(map(_answer, json.loads(found) if isinstance(found, str) else found))


def _as_json(table: CopiedTable) -> dict[str, Any]:
    return {
        "table": identifier(table.schema, table.name),
        "copy": identifier(table.name),
        "changes": table.changes,
        "parts": [
            {
                "kind": part.kind,
                "name": part.name,
                "column": COMPUTED if part.kind == "computed" else _column_of(part),
                "before": part.before,
                "body": part.body,
                "after": part.after,
            }
            for part in table.parts
        ],
    }


COMPUTED = "computed_by_alembic_live"  # the column of a copy that has a computed expression


def _column_of(part: Part) -> str | None:
    return part.name if part.kind == "default" else None


def _answer(found: dict[str, Any]) -> Answer:
    existing, wanted = found["existing"], found.get("wanted")
    if not found["failure"] or wanted is not None:
        return Answer(found["is_same"], existing, wanted, found["name"])
    state, reason = found["failure"]
    is_known = (
        found.get("is_copied", True) and state[:2] in ERRORS_OF_MODELS and state != NOT_ALLOWED
    )
    return Answer(False if is_known else None, existing, reason=reason)
