"""Changes that drop something, whose downgrade has to restore all of it."""

import sqlalchemy as sa
from round_trips import Trip

OTHER = """
CREATE TABLE o (id int CONSTRAINT pk_o PRIMARY KEY, b int, CONSTRAINT uq_o_id_b UNIQUE (id, b));
INSERT INTO o VALUES (1, 1);
"""
OTHER_MODEL = 'table("o", key(autoincrement=False), integer("b"), sa.UniqueConstraint("id", "b"))\n'
FUNCTION = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
TRIGGER = """
CREATE TRIGGER keep BEFORE UPDATE OF b ON t FOR EACH ROW WHEN (NEW.b > 1) EXECUTE FUNCTION keep();
"""
INDEXES = r"""
CREATE INDEX ix1 ON t (x text_pattern_ops DESC NULLS LAST) INCLUDE (c) WITH (fillfactor = 50)
    WHERE x <> 'it''s \ :x %s';
CREATE UNIQUE INDEX ix2 ON t (c, b);
CREATE INDEX ix3 ON t USING brin (c) WITH (pages_per_range = 8);
CREATE INDEX ix4 ON t (lower(x) COLLATE "C", (c + 1));
CREATE INDEX ix5 ON t (x COLLATE "C");
CREATE INDEX ix6 ON t USING hash (x);
COMMENT ON INDEX ix1 IS 'an index';
ALTER INDEX ix4 ALTER COLUMN 2 SET STATISTICS 300;
ALTER TABLE t CLUSTER ON ix5;
"""
# What the columns b, c and x of a table can have besides their types.
PARTS = {
    "deferrable foreign key": "ALTER TABLE t ADD CONSTRAINT fk_t_b_o FOREIGN KEY (b) REFERENCES o "
    "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "foreign key that matches in full": "UPDATE t SET b = NULL, c = NULL; ALTER TABLE t ADD CONSTRAINT fk_t_b_c_o FOREIGN KEY (b, c)"
    " REFERENCES o (id, b) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL",
    "foreign key that sets one column": "ALTER TABLE t ADD CONSTRAINT fk_t_b_c_o FOREIGN KEY (b, c)"
    " REFERENCES o (id, b) ON DELETE SET NULL (b)",
    "foreign key to itself": "ALTER TABLE t ADD CONSTRAINT fk_t_b_t FOREIGN KEY (b) REFERENCES t",
    "constraints that are not valid": "ALTER TABLE t ADD CONSTRAINT fk_t_b_o FOREIGN KEY (b) "
    "REFERENCES o NOT VALID; ALTER TABLE t ADD CONSTRAINT ck_t_b CHECK (b > 0) NOT VALID;"
    "COMMENT ON CONSTRAINT ck_t_b ON t IS 'a check'",
    "checks": "ALTER TABLE t ADD CONSTRAINT ck_t_b CHECK (b > 0) NO INHERIT;"
    "ALTER TABLE t ADD CONSTRAINT ck_t_x CHECK (b > 0 OR x IN ('a', 'it''s'))",
    "deferrable unique constraint": "ALTER TABLE t ADD CONSTRAINT uq_t_b UNIQUE (b) DEFERRABLE "
    "INITIALLY DEFERRED; COMMENT ON CONSTRAINT uq_t_b ON t IS 'a key'",
    "unique constraint with options": "ALTER TABLE t ADD CONSTRAINT uq_t_b UNIQUE (b) INCLUDE (c) "
    "WITH (fillfactor = 66)",
    "indexes": INDEXES,
}
PARTS_OF_TABLES = PARTS | {
    "exclusion constraint": "ALTER TABLE t ADD CONSTRAINT ex EXCLUDE USING gist "
    "(int4range(b, b + 1) range_ops WITH &&) WHERE (c > 0) DEFERRABLE",
    "comments": "COMMENT ON TABLE t IS 'it''s'; COMMENT ON COLUMN t.b IS ':c'",
    "settings of columns": "ALTER TABLE t ALTER x SET STORAGE EXTERNAL, ALTER b SET STATISTICS 500,"
    " ALTER c SET (n_distinct = 5), ALTER x SET COMPRESSION pglz",
    "replica identity": "ALTER TABLE t REPLICA IDENTITY FULL",
    "replica identity by an index": "CREATE UNIQUE INDEX ix_t_id ON t (id);"
    "ALTER TABLE t REPLICA IDENTITY USING INDEX ix_t_id",
    "row security": "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    "CREATE POLICY p ON t AS RESTRICTIVE FOR UPDATE USING (b > 0) WITH CHECK (b < 9);"
    "COMMENT ON POLICY p ON t IS 'a policy'",
    "trigger": FUNCTION + TRIGGER + "ALTER TABLE t DISABLE TRIGGER keep;"
    "COMMENT ON TRIGGER keep ON t IS 'a trigger'",
    "rule": "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
    "statistics": "CREATE STATISTICS s (dependencies) ON b, c FROM t;"
    "ALTER STATISTICS s SET STATISTICS 55; COMMENT ON STATISTICS s IS 'about both'",
    "options": "ALTER TABLE t SET (fillfactor = 60, autovacuum_enabled = false), SET UNLOGGED",
    "identity": "ALTER TABLE t ADD i int GENERATED ALWAYS AS IDENTITY "
    "(START 5 INCREMENT 2 MINVALUE 3 MAXVALUE 999 CACHE 4 CYCLE)",
    "serial": "ALTER TABLE t ADD s serial, ADD m smallserial; ALTER SEQUENCE t_s_seq INCREMENT 5",
    "generated": "ALTER TABLE t ADD g int GENERATED ALWAYS AS (b * 2) STORED NOT NULL",
    "collations": "ALTER TABLE t ADD k text COLLATE \"C\" DEFAULT 'x', "
    "ADD l varchar(5) COLLATE \"POSIX\" DEFAULT 'y' NOT NULL",
    "types": "CREATE TYPE e AS ENUM ('a', 'b'); CREATE DOMAIN d AS text CHECK (value <> '');"
    "ALTER TABLE t ADD e e DEFAULT 'a' NOT NULL, ADD d d",
    "foreign key of another table": "ALTER TABLE o ADD CONSTRAINT fk_o_b_t FOREIGN KEY (b) "
    "REFERENCES t DEFERRABLE NOT VALID",
}
PARTS_OF_COLUMNS = PARTS | {
    "exclusion constraint": PARTS_OF_TABLES["exclusion constraint"],
    "index of two columns": "CREATE INDEX ix1 ON t ((b + c)); CREATE INDEX ix2 ON t (c) WHERE b > 1",
    "settings": "ALTER TABLE t ALTER b SET STATISTICS 99, ALTER b SET (n_distinct = 7);"
    "COMMENT ON COLUMN t.b IS 'a column'",
    "statistics": "CREATE STATISTICS s ON (b + c), c FROM t",
    "serial": "CREATE SEQUENCE s OWNED BY t.b; ALTER TABLE t ALTER b SET DEFAULT nextval('s')",
    "generated column": "ALTER TABLE t ADD g int GENERATED ALWAYS AS (b * 2) STORED",
    "primary key": "UPDATE t SET b = 0; ALTER TABLE t DROP CONSTRAINT pk_t;"
    "ALTER TABLE t ADD CONSTRAINT pk_t PRIMARY KEY (id, b)",
    "identity": "ALTER TABLE t ALTER b SET NOT NULL, ALTER b ADD GENERATED ALWAYS AS IDENTITY "
    "(START 5 INCREMENT 5)",
    "replica identity": "ALTER TABLE t ALTER b SET NOT NULL; CREATE UNIQUE INDEX ix_t_b ON t (b);"
    "ALTER TABLE t REPLICA IDENTITY USING INDEX ix_t_b",
    "foreign key of another table": "UPDATE o SET b = NULL; ALTER TABLE t ADD CONSTRAINT uq_t_b UNIQUE (b);"
    "ALTER TABLE o ADD CONSTRAINT fk_o_b_t FOREIGN KEY (b) REFERENCES t (b)",
}
COLUMNS = "CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, x text, c int, b int);"
ROW = "INSERT INTO t VALUES (1, 'a', 1, 1);"
MODEL = 'table("t", key(autoincrement=False), string("x"), integer("c"), integer("b"))\n'
WITHOUT_B = MODEL.replace(', integer("b")', "")
DROP = ("allow-drop",)

CYCLE = """
CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY, b int);
CREATE TABLE b (id serial CONSTRAINT pk_b PRIMARY KEY, a int CONSTRAINT fk_b_a_a REFERENCES a);
ALTER TABLE a ADD CONSTRAINT fk_a_b_b FOREIGN KEY (b) REFERENCES b DEFERRABLE;
"""
CYCLE_OF_THREE = f"""
{CYCLE}
CREATE TABLE c (id int CONSTRAINT pk_c PRIMARY KEY, a int CONSTRAINT fk_c_a_a REFERENCES a);
ALTER TABLE b ADD c int CONSTRAINT fk_b_c_c REFERENCES c;
"""
CYCLE_MODELS = """
table("a", key(), integer("b", sa.ForeignKey("b.id", deferrable=True)))
table("b", key(), integer("a", sa.ForeignKey("a.id")))
"""
WITH_CHECKS = """
table("{}", key(autoincrement=False),
      sa.Column("{}", sa.Boolean(create_constraint=True, name="is_ok")),
      sa.Column("{}", sa.Enum("a", "b", name="kind", native_enum=False, create_constraint=True)))
"""
CHECKED = """
CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, ok boolean, kind varchar(1),
                CONSTRAINT ck_t_kind CHECK (kind IN ('a', 'b')));
INSERT INTO t VALUES (1, true, 'a');
"""
VIEWS = """
CREATE MATERIALIZED VIEW mv AS SELECT id, b FROM t;
CREATE UNIQUE INDEX ix_mv_id ON mv (id);
CREATE VIEW v AS SELECT b FROM t;
"""

TRIPS_OF_DROPS = {
    f"table with {name}": Trip(OTHER + COLUMNS + ROW + sql, OTHER_MODEL, DROP)
    for name, sql in PARTS_OF_TABLES.items()
}
TRIPS_OF_DROPS |= {
    f"column with {name}": Trip(OTHER + COLUMNS + ROW + sql, OTHER_MODEL + WITHOUT_B, DROP)
    for name, sql in PARTS_OF_COLUMNS.items()
}
TRIPS_OF_DROPS |= {
    f"only {name}": Trip(OTHER + COLUMNS + ROW + sql, OTHER_MODEL + MODEL)
    for name, sql in PARTS.items()
}
TRIPS_OF_DROPS |= {
    "partitioned table": Trip(
        "CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, b int) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9);"
        "CREATE TABLE t2 PARTITION OF t DEFAULT; CREATE INDEX ix_t_b ON t (b);",
        "",
        DROP,
    ),
    "table that inherits": Trip(
        "CREATE TABLE p (a int, CONSTRAINT ck_p_a CHECK (a > 0));"
        "CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY) INHERITS (p);",
        'table("p", integer("a"), sa.CheckConstraint("a > 0", name="a"))',
        DROP,
    ),
    "privileges": Trip(
        COLUMNS + "GRANT SELECT ON t TO PUBLIC; GRANT UPDATE (b) ON t TO pg_monitor;",
        "",
        DROP,
        written=("# The downgrade does not restore: the privileges of PUBLIC, the privileges of",),
    ),
    "NOT NULL column whose placeholder a rule forbids": Trip(
        "CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, code text NOT NULL"
        " CONSTRAINT ck_t_code CHECK (code <> '') CONSTRAINT uq_t_code UNIQUE);",
        'table("t", key(autoincrement=False))',
        DROP,
        written=("existing rows get ''. Write another value",),
    ),
    "cycle": Trip(CYCLE, "", DROP),
    "cycle of three": Trip(CYCLE_OF_THREE, "", DROP),
    "half of a cycle": Trip(CYCLE, 'table("a", key(), integer("b"))', DROP),
    "half of a cycle with the column": Trip(CYCLE, 'table("a", key())', DROP),
    "new cycle": Trip("", CYCLE_MODELS),
    "cycle with an old table": Trip(
        "CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY);", CYCLE_MODELS
    ),
    "columns with checks": Trip(
        COLUMNS[: COLUMNS.index(", x")] + ");", WITH_CHECKS.format("t", "ok", "kind")
    ),
    "table with such columns": Trip("", WITH_CHECKS.format("t", "ok", "kind")),
    "dropped columns with checks": Trip(CHECKED, 'table("t", key(autoincrement=False))', DROP),
    "renamed columns with checks": Trip(
        CHECKED,
        WITH_CHECKS.format("t", "fine", "sort"),
        ("rename=t.ok:fine,t.kind:sort",),
        builds=False,
    ),
    "renamed table with checks": Trip(
        CHECKED, WITH_CHECKS.format("u", "ok", "kind"), ("rename=t:u",), builds=False
    ),
    "views with indexes": Trip(
        COLUMNS + VIEWS,
        MODEL.replace('integer("b")', 'integer("b"), integer("n")')
        + """
table("mv", integer("id", index=True, unique=True), integer("b", index=True), info={"is_view": True})
table("v", integer("b"), info={"is_view": True})
""",
    ),
}
if hasattr(sa, "CreateView"):  # since SQLAlchemy 2.1
    TRIPS_OF_DROPS["views of SQLAlchemy"] = Trip(
        COLUMNS + VIEWS,
        MODEL.replace('integer("b")', 'integer("b"), integer("n")')
        + """
t = metadata.tables["t"]
sa.CreateView(sa.select(t.c.b), "v", metadata=metadata)
sa.CreateView(sa.select(t.c.id), "mv", materialized=True, metadata=metadata)
""",
    )

USERS = {
    "view v": "CREATE VIEW v AS SELECT b FROM t",
    "materialized view mv": "CREATE MATERIALIZED VIEW mv AS SELECT b FROM t",
    "policy p on table t": "CREATE POLICY p ON t USING (b > 0)",
    "trigger keep on table t": FUNCTION + TRIGGER,
    "column g of table t": "ALTER TABLE t ADD g int GENERATED ALWAYS AS (b * 2) STORED",
    "function biggest()": "CREATE FUNCTION biggest() RETURNS int LANGUAGE sql "
    "BEGIN ATOMIC SELECT max(b) FROM t; END",
}
GENERATED = ', integer("g", sa.Computed("b * 2", persisted=True)))\n'

REFUSED_DROPS = {
    f"column that {name} uses": (
        Trip(
            COLUMNS + sql,
            WITHOUT_B.replace(")\n", GENERATED) if "column" in name else WITHOUT_B,
            DROP,
        ),
        f"Column t.b would be dropped, but {name} uses it.",
    )
    for name, sql in USERS.items()
}
REFUSED_DROPS |= {
    "type of a column that a view uses": (
        Trip(COLUMNS + USERS["view v"], MODEL.replace('integer("b")', 'string("b")')),
        "Column t.b would get another type, but view v uses it. First write a revision",
    ),
    "table that a view uses": (
        Trip(COLUMNS + USERS["view v"], "", DROP),
        "Table t would be dropped, but view v uses it.",
    ),
}
