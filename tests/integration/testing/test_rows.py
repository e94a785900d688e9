"""Tables that are hard to fill get rows without anybody's help."""

import pytest
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.testing.populate import Population
from in_process import InProcess
from server import Database
from sqlalchemy import Connection

FILLED = {
    "a list of texts": ["CREATE TABLE t (label text NOT NULL CHECK (label IN ('it', 'more')))"],
    "an enum without a native type": [
        "CREATE TABLE t (id int, state varchar(12) NOT NULL, CONSTRAINT state"
        " CHECK (state IN ('it''s open', 'closed')))"
    ],
    "a list of numbers": ["CREATE TABLE t (n int NOT NULL CHECK (n IN (404, 503)))"],
    "a list of dates": [
        "CREATE TABLE t (d date NOT NULL CHECK (d IN ('1871-01-18', '1918-11-11')))"
    ],
    "a range of numbers": [
        "CREATE TABLE t (n int NOT NULL CHECK (n BETWEEN 1900 AND 1950))",
    ],
    "an open range of numbers": [
        "CREATE TABLE t (n int NOT NULL CHECK (n > 99999 AND n < 100001))"
    ],
    "small numbers": ["CREATE TABLE t (n numeric(3,2) NOT NULL CHECK (n > 0.11 AND n < 0.19))"],
    "an array of listed texts": [
        "CREATE TABLE t (tags text[] NOT NULL CHECK (tags <@ ARRAY['it', 'more']"
        " AND cardinality(tags) > 0))"
    ],
    "a required array": ["CREATE TABLE t (tags int[] NOT NULL CHECK (array_length(tags, 1) = 2))"],
    "a length": ["CREATE TABLE t (code text NOT NULL CHECK (length(code) = 11))"],
    "a long text": ["CREATE TABLE t (code text NOT NULL CHECK (char_length(code) >= 40))"],
    "a prefix": ["CREATE TABLE t (code text NOT NULL CHECK (starts_with(code, 'INV-')))"],
    "LIKE": ["CREATE TABLE t (code text NOT NULL CHECK (code LIKE 'INV-%'))"],
    "several checks": [
        "CREATE TABLE t (kind text NOT NULL CHECK (kind IN ('person', 'company', 'ngo')),"
        " name text, vat text, a int NOT NULL CHECK (a IN (77, 78)), b int NOT NULL,"
        " CHECK (kind <> 'company' OR vat IS NOT NULL), CHECK (b IN (7001, 7002) AND b > a),"
        " CHECK ((name IS NULL) <> (vat IS NULL)))"
    ],
    "one of two columns": [
        "CREATE TABLE t (a int, b int, c int, CHECK (num_nonnulls(a, b, c) = 1))"
    ],
    "an order of columns": [
        "CREATE TABLE t (starts date NOT NULL, ends date NOT NULL, CHECK (ends > starts))"
    ],
    "a domain": [
        "CREATE DOMAIN label AS text CHECK (VALUE IN ('it', 'more'))",
        "CREATE DOMAIN sublabel AS label CHECK (VALUE <> 'it')",
        "CREATE TABLE t (a label NOT NULL, b sublabel NOT NULL, c label[] NOT NULL)",
    ],
    "a domain of numbers": [
        "CREATE DOMAIN year AS integer CHECK (VALUE >= 1901 AND VALUE <= 2155)",
        "CREATE TABLE t (a year NOT NULL)",
    ],
    "a composite": [
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE TYPE money_ AS (amount numeric(10,2), currency char(3), mood mood)",
        "CREATE TABLE t (price money_ NOT NULL, prices money_[] NOT NULL,"
        " CHECK ((price).amount IS NOT NULL))",
    ],
    "enums elsewhere": [
        "CREATE SCHEMA other",
        "CREATE TYPE other.\"odd Mood\" AS ENUM ('very good', 'it''s')",
        'CREATE TABLE t (a other."odd Mood" NOT NULL, b other."odd Mood"[] NOT NULL)',
    ],
    "ranges": [
        "CREATE TYPE floats AS RANGE (subtype = float8)",
        "CREATE TABLE t (a int4range NOT NULL, b daterange NOT NULL, c tstzrange NOT NULL,"
        " d numrange NOT NULL, e int8multirange NOT NULL, f floats NOT NULL, g tsrange NOT NULL"
        " CHECK (NOT isempty(g)), h datemultirange NOT NULL)",
    ],
    "geometry of Postgres": [
        "CREATE TABLE t (a point NOT NULL, b line NOT NULL, c lseg NOT NULL, d box NOT NULL,"
        " e path NOT NULL, f polygon NOT NULL, g circle NOT NULL)"
    ],
    "types of Postgres": [
        "CREATE TABLE t (a cidr NOT NULL, b macaddr8 NOT NULL, c bit(3) NOT NULL, d varbit NOT NULL,"
        ' e money NOT NULL, f tsquery NOT NULL, g pg_lsn NOT NULL, h "char" NOT NULL,'
        " i jsonpath NOT NULL, j regclass NOT NULL, k interval NOT NULL, l timetz NOT NULL,"
        " m name NOT NULL, n oid NOT NULL, o txid_snapshot NOT NULL, p xid NOT NULL, q tid NOT NULL)"
    ],
    "json of one shape": [
        "CREATE TABLE t (a jsonb NOT NULL CHECK (jsonb_typeof(a) = 'array'),"
        " b jsonb NOT NULL CHECK (b ? 'name'))"
    ],
    "exclusion": [
        "CREATE TABLE t (during tstzrange NOT NULL, EXCLUDE USING gist (during WITH &&))"
    ],
    "a unique expression": [
        "CREATE TABLE t (a text NOT NULL, flag bool NOT NULL)",
        "CREATE UNIQUE INDEX ON t (lower(a))",
        "CREATE UNIQUE INDEX ON t (flag)",
    ],
    "unique among few values": [
        "CREATE TABLE t (kind text CHECK (kind IN ('it', 'more')), n int NOT NULL CHECK (n IN (5, 6)),"
        " UNIQUE NULLS NOT DISTINCT (kind, n))"
    ],
    "one value only": [
        "CREATE TABLE t (id int PRIMARY KEY DEFAULT 1 CHECK (id = 1), name text NOT NULL)"
    ],
    "partitions": [
        "CREATE TABLE t (at timestamptz NOT NULL, n int, PRIMARY KEY (at)) PARTITION BY RANGE (at)",
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM ('1995-01-01') TO ('1995-02-01')",
    ],
    "partitions of a list": [
        "CREATE TABLE t (region text NOT NULL) PARTITION BY LIST (region)",
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN ('emea', 'apac')",
    ],
    "partitions of partitions": [
        "CREATE TABLE t (region text NOT NULL, id int NOT NULL) PARTITION BY LIST (region)",
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES IN ('emea') PARTITION BY RANGE (id)",
        "CREATE TABLE t_2 PARTITION OF t_1 FOR VALUES FROM (5000) TO (5100)",
    ],
    "partitions by hash": [
        "CREATE TABLE t (id int NOT NULL) PARTITION BY HASH (id)",
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 7, REMAINDER 3)",
    ],
    "a cycle that is deferrable": [
        "CREATE TABLE t (id int PRIMARY KEY, u_id int NOT NULL)",
        "CREATE TABLE u (id int PRIMARY KEY, t_id int NOT NULL REFERENCES t"
        " DEFERRABLE INITIALLY DEFERRED)",
        "ALTER TABLE t ADD FOREIGN KEY (u_id) REFERENCES u",
    ],
    "a cycle that is not deferrable": [
        "CREATE TABLE t (id int PRIMARY KEY, u_id int NOT NULL)",
        "CREATE TABLE u (id int PRIMARY KEY, t_id int NOT NULL REFERENCES t)",
        "ALTER TABLE t ADD FOREIGN KEY (u_id) REFERENCES u",
    ],
    "a cycle of three with defaults": [
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u_id int NOT NULL)",
        "CREATE TABLE u (id uuid PRIMARY KEY, t_id int NOT NULL REFERENCES t, n int)",
        "CREATE TABLE v (id serial PRIMARY KEY, u_id uuid NOT NULL REFERENCES u)",
        "ALTER TABLE t ADD FOREIGN KEY (u_id) REFERENCES v",
    ],
    "a required key to the table itself": [
        "CREATE TABLE t (id int PRIMARY KEY, parent int NOT NULL REFERENCES t)"
    ],
    "a required identity key to the table itself": [
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " parent int NOT NULL REFERENCES t)"
    ],
    "a key into another schema": [
        "CREATE SCHEMA other",
        "CREATE TABLE other.people (id uuid PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE other.t (id int PRIMARY KEY)",
        "CREATE TABLE t (id int PRIMARY KEY, person uuid NOT NULL REFERENCES other.people,"
        " code text NOT NULL REFERENCES other.people (code), n int NOT NULL REFERENCES other.t)",
    ],
    "a key of several columns": [
        "CREATE TABLE p (a int, b text CHECK (b IN ('it', 'more')), PRIMARY KEY (a, b))",
        "CREATE TABLE t (a int NOT NULL, b text NOT NULL, FOREIGN KEY (a, b) REFERENCES p)",
    ],
    "one to one with a key": [
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE t (id int PRIMARY KEY REFERENCES p)",
    ],
    "a name with a dot, a quote and capitals": [
        'CREATE TABLE "My.t""able" ("A%b" text NOT NULL CHECK ("A%b" IN (\'100%\', \'50%(n)d\')))',
        'ALTER TABLE "My.t""able" RENAME TO t',
    ],
    "a check with a function": [
        "CREATE FUNCTION good(text) RETURNS bool LANGUAGE sql IMMUTABLE"
        " AS $$ SELECT $1 IN ('it', 'more') $$",
        "CREATE TABLE t (a text NOT NULL CHECK (good(a) OR a = 'Ungewöhnlich'))",
    ],
    "a check with a regular expression": [
        r"CREATE TABLE t (a text NOT NULL CHECK (a ~ '^[a-z]+$'), b text NOT NULL"
        r" CHECK (b ~ '^\+?[0-9]{8,15}$'), c text NOT NULL CHECK (c ~* '^[^@]+@[^@]+\.[a-z]+$'))"
    ],
    "a check with a case": [
        "CREATE TABLE t (a text NOT NULL, n int, CHECK (CASE a WHEN 'abroad' THEN n = 9000"
        " WHEN 'home' THEN n IS NULL ELSE false END))"
    ],
    "vectors": [
        "CREATE EXTENSION vector",
        "CREATE TABLE t (a vector(3) NOT NULL CHECK (vector_dims(a) = 3), b halfvec(2) NOT NULL)",
    ],
    "a trigger that fills": [
        "CREATE TABLE t (id int PRIMARY KEY, n int)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN NEW.n := 1; RETURN NEW; END $$",
        "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ],
}


@pytest.mark.parametrize("statements", FILLED.values(), ids=FILLED.keys())
def test_a_table_gets_rows(
    statements: list[str], in_process: InProcess, database: Database
) -> None:
    project = in_process()
    for statement in statements:
        database.query(statement)

    def grow(connection: Connection) -> list[str]:
        return Population(project, connection).grow()

    assert with_connection(make_engine(database.address()), grow) == []
    assert database.value("SELECT count(*) FROM t") >= 1
