"""A revision with what models cannot say, and what a hand may do to it afterwards."""

from project import Project
from revisions import write_revision

FUNCTION = """\
CREATE FUNCTION {s}.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- What is touched, is new.

    NEW.at = now();

    -- Done.
    RETURN NEW;
END
$$"""

STATEMENTS = (
    "CREATE TYPE {s}.mood AS ENUM ('good', 'bad')",
    "CREATE DOMAIN {s}.positive AS int CHECK (VALUE > 0)",
    "CREATE SEQUENCE {s}.numbers",
    "CREATE TABLE {s}.parts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " amount {s}.positive DEFAULT 1, mood {s}.mood,"
    " double int GENERATED ALWAYS AS (amount * 2) STORED, at date NOT NULL DEFAULT '2020-01-01')",
    "CREATE TABLE {s}.events (at date NOT NULL, what text) PARTITION BY RANGE (at)",
    "CREATE TABLE {s}.events_2020 PARTITION OF {s}.events"
    " FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')",
    'CREATE TABLE {s}."odd ""name""" ("a b" int, "数" text)',
    FUNCTION,
    "CREATE TRIGGER touch BEFORE UPDATE ON {s}.parts FOR EACH ROW EXECUTE FUNCTION {s}.touch()",
    # pg_dump writes it before the table that it uses.
    "CREATE FUNCTION {s}.total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(amount) FROM {s}.parts'",
    "CREATE VIEW {s}.good AS SELECT id FROM {s}.parts WHERE mood = 'good'",
    "CREATE MATERIALIZED VIEW {s}.sums AS SELECT mood, sum(amount) FROM {s}.parts GROUP BY mood",
    "CREATE INDEX ix_parts_large ON {s}.parts (amount) WHERE amount > 100",
    "COMMENT ON TABLE {s}.parts IS 'It''s \"odd\": -- no comment;\n\n-- at all'",
    "COMMENT ON VIEW {s}.good IS 'Ends of lines\r\nof other\x0bkinds\u2028\n\nSET default_x = 1;'",
    "ALTER TABLE {s}.parts ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON {s}.parts USING (amount > 1)",
)

# What is done, and the object that `db drift` names for it.
BY_HAND = {
    "CREATE INDEX by_hand ON {s}.parts (at)": "index by_hand",
    "ALTER TABLE {s}.notes ALTER body SET DEFAULT 'x'": "table notes",
    "ALTER TABLE {s}.notes ADD CONSTRAINT short CHECK (length(body) < 9)": "table notes",
    "DROP TRIGGER touch ON {s}.parts": "trigger parts touch",
    "CREATE TABLE {s}.forgotten ()": "table forgotten",
    "ALTER TYPE {s}.mood ADD VALUE 'so-so'": "type mood",
    "ALTER DOMAIN {s}.positive SET DEFAULT 7": "domain positive",
    "ALTER SEQUENCE {s}.numbers INCREMENT 5": "sequence numbers",
    "DROP MATERIALIZED VIEW {s}.sums": "materialized view sums",
    "ALTER VIEW {s}.good RENAME COLUMN id TO number": "view good",
    "COMMENT ON TABLE {s}.parts IS NULL": "comment TABLE parts",
    "DROP POLICY mine ON {s}.parts": "policy parts mine",
    'ALTER TABLE {s}."odd ""name""" DROP "数"': 'table odd "name"',
    "DROP INDEX {s}.ix_parts_large": "index ix_parts_large",
    FUNCTION.replace("Done", "Or so").replace("CREATE", "CREATE OR REPLACE"): "function touch()",
}


def write_everything(project: Project, schema: str = "public") -> str:
    """Add the revision. Returns its id."""
    statements = [statement.replace("{s}", schema) for statement in STATEMENTS]
    return write_revision(project, "everything", statements, "SELECT 1")
