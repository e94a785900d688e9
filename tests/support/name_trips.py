"""Changes about names: names that are too long or odd, and renames."""

from round_trips import Trip

PLANS = """
CREATE TABLE subscription_plans (id int CONSTRAINT pk_subscription_plans PRIMARY KEY);
CREATE TABLE customer_subscription_items (
    id int CONSTRAINT pk_customer_subscription_items PRIMARY KEY,
    subscription_plan_id int, customer_subscription_reference text);
INSERT INTO subscription_plans VALUES (1);
INSERT INTO customer_subscription_items VALUES (1, 1, 'a');
"""

# A table with a part of every kind, and a table on each side of it.
THINGS = """
CREATE SCHEMA other;
CREATE TABLE owners (id serial CONSTRAINT pk_owners PRIMARY KEY, ref text);
CREATE TABLE things (
    id serial CONSTRAINT pk_things PRIMARY KEY,
    name text NOT NULL DEFAULT 'x' CONSTRAINT uq_things_name UNIQUE,
    size int CONSTRAINT ck_things_size_positive CHECK (size > 0),
    owner_id int CONSTRAINT fk_things_owner_id_owners REFERENCES owners (id),
    parent_id int CONSTRAINT fk_things_parent_id_things REFERENCES things (id),
    rank int, active boolean, twice int GENERATED ALWAYS AS (rank * 2) STORED,
    during int4range, CONSTRAINT ex_things_during EXCLUDE USING gist (during WITH &&));
CREATE INDEX ix_things_rank ON things (rank);
CREATE INDEX ix_things_lower ON things (lower(name)) WHERE (name <> '' AND active);
CREATE TABLE parts (
    id int CONSTRAINT pk_parts PRIMARY KEY,
    thing_id int CONSTRAINT fk_parts_thing_id_things REFERENCES things (id));
COMMENT ON COLUMN things.name IS 'the name';
CREATE VIEW names AS SELECT id, name FROM things;
CREATE MATERIALIZED VIEW ranks AS SELECT rank FROM things;
ALTER TABLE things ENABLE ROW LEVEL SECURITY;
CREATE POLICY active ON things USING (rank > 0);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER keep BEFORE UPDATE OF rank ON things FOR EACH ROW WHEN (NEW.rank > 1)
    EXECUTE FUNCTION keep();
CREATE STATISTICS about_things ON rank, size FROM things;
INSERT INTO owners (ref) VALUES ('a');
INSERT INTO things (name, size, owner_id, parent_id, rank, active) VALUES ('n', 1, 1, 1, 1, true);
INSERT INTO parts VALUES (1, 1);
"""


def things(
    *,
    table: str = "things",
    schema: str = "",
    owners: str = "owners",
    more: str = "",
    number: str = "id",
    name: str = "name",
    size: str = "size",
    rank: str = "rank",
    during: str = "during",
) -> str:
    """The models of THINGS, with other names."""
    qualified = f"{schema}.{table}" if schema else table
    in_schema = f"schema={schema!r}," if schema else ""
    return f"""
table({owners!r}, key(), string("ref"))
table(
    {table!r},
    key({number!r}),
    string({name!r}, unique=True, nullable=False, server_default="x", comment="the name"),
    integer({size!r}),
    integer("owner_id", sa.ForeignKey("{owners}.id")),
    integer("parent_id", sa.ForeignKey("{qualified}.{number}")),
    integer({rank!r}, index=True),
    sa.Column("active", sa.Boolean),
    integer("twice", sa.Computed("{rank} * 2", persisted=True)),
    sa.Column({during!r}, pg.INT4RANGE),
    pg.ExcludeConstraint(({during!r}, "&&"), name="ex_{table}_{during}", using="gist"),
    sa.CheckConstraint("{size} > 0", name="{size}_positive"),
    sa.Index("ix_{table}_lower", sa.text("lower({name})"),
             postgresql_where=sa.text("{name} <> '' AND active")),
    {more} {in_schema}
)
table("parts", key(autoincrement=False), integer("thing_id", sa.ForeignKey("{qualified}.{number}")))
"""


def renamed(before: str, models: str, *x: str) -> Trip:
    """A change that builds nothing."""
    return Trip(before, models, x, builds=False)


ONE = "CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, o int);"
TWO = """
CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY, x int, y text);
CREATE INDEX ix_a_x ON a (x);
CREATE INDEX ix_a_y ON a (y);
CREATE TABLE b (id serial CONSTRAINT pk_b PRIMARY KEY, z text CONSTRAINT uq_b_z UNIQUE);
"""
TABLE_B = 'table("b", key(), string("z", unique=True))'
CYCLE = """
CREATE SCHEMA s;
CREATE TABLE a (id serial CONSTRAINT pk_a PRIMARY KEY, b int);
CREATE TABLE b (id serial CONSTRAINT pk_b PRIMARY KEY, a int CONSTRAINT fk_b_a_a REFERENCES a);
ALTER TABLE a ADD CONSTRAINT fk_a_b_b FOREIGN KEY (b) REFERENCES b;
"""
ODD = r"""
CREATE TABLE "it's" (id serial CONSTRAINT "pk_it's" PRIMARY KEY, "a%b" int);
CREATE INDEX "ix_it's_a%b" ON "it's" ("a%b");
CREATE TABLE "a\b" (id smallserial CONSTRAINT "pk_a\b" PRIMARY KEY);
CREATE TABLE "a%b:c" (id bigserial CONSTRAINT "pk_a%b:c" PRIMARY KEY);
CREATE TABLE "Select" ("From" serial CONSTRAINT "pk_Select" PRIMARY KEY);
CREATE TABLE "q""q" ("i""d" serial CONSTRAINT "pk_q""q" PRIMARY KEY);
"""
ODD_MODELS = r"""
more = sa.Column("it's %s :x \\ \"", sa.Integer, index=True, unique=True)
table("it's", key(), integer("a%b", index=True), more.copy())
table("a\\b", sa.Column("id", sa.SmallInteger, primary_key=True), more.copy())
table("a%b:c", sa.Column("id", sa.BigInteger, primary_key=True), more.copy())
table("Select", key("From"), more.copy())
table('q"q', key('i"d'), more.copy())
""".replace("more.copy()", "more._copy()")

TRIPS_OF_NAMES = {
    # Too long
    "long names": Trip(
        PLANS,
        """
table("subscription_plans", key(autoincrement=False))
table(
    "customer_subscription_items",
    key(autoincrement=False),
    integer("subscription_plan_id", sa.ForeignKey("subscription_plans.id")),
    string("customer_subscription_reference", unique=True),
    sa.UniqueConstraint("subscription_plan_id", "customer_subscription_reference"),
    sa.Index(None, "subscription_plan_id", "customer_subscription_reference"),
    sa.CheckConstraint("id > 0", name="the_reference_of_the_subscription_is_positive_at_least"),
)
""",
        written=("fk_customer_subscription_items_subscription_plan_id_sub_",),
    ),
    "long names of more bytes than characters": Trip(
        ONE,
        f"""
table(
    "t",
    key(autoincrement=False),
    integer("o", sa.ForeignKey("t.id", name="{"ß" * 40}")),
    sa.Index("{"ä" * 40}", "o"),
    sa.UniqueConstraint("o", name="{"ö" * 40}"),
    sa.CheckConstraint("o > 0", name="{"ü" * 40}"),
)
""",
    ),
    "new table with long names": Trip(
        "",
        f"""
from sqlalchemy.sql.elements import conv
table(
    "t",
    key(),
    integer("o", sa.ForeignKey("t.id", name="{"ß" * 40}")),
    sa.CheckConstraint("id > 0", name="{"e" * 70}"),
    sa.Index(conv("{"i" * 70}"), "o"),
)
table("{"t" * 62}", key(), integer("c", unique=True, index=True))
""",
    ),
    # Renames
    "column with a unique constraint and an expression": renamed(
        THINGS, things(name="title"), "rename=things.name:title"
    ),
    "column with a check": renamed(THINGS, things(size="weight"), "rename=things.size:weight"),
    "column with an exclusion constraint": renamed(
        THINGS, things(during="at"), "rename=things.during:at"
    ),
    "primary key": renamed(THINGS, things(number="number"), "rename=things.id:number"),
    "every part of a table": renamed(
        THINGS,
        things(name="title", size="weight", rank="place", during="at", number="number"),
        "rename=things.name:title,things.size:weight",
        "rename=things.rank:place,things.during:at,things.id:number",
    ),
    "table": renamed(THINGS, things(table="items"), "rename=things:items"),
    "table that others refer to": renamed(THINGS, things(owners="people"), "rename=owners:people"),
    "two tables": renamed(
        THINGS, things(owners="people", table="items"), "rename=owners:people,things:items"
    ),
    "table and its columns": renamed(
        THINGS,
        things(table="items", name="title", rank="place"),
        "rename=things:items,things.name:title,items.rank:place",
    ),
    "table in another schema": renamed(
        THINGS,
        things(schema="other", table="items", rank="place"),
        "rename=things:other.items,other.items.rank:place",
    ),
    "table with the same name in another schema": renamed(
        THINGS, things(schema="other"), "rename=public.things:other.things"
    ),
    "new column with the old name": renamed(
        THINGS, things(rank="place", more='string("rank"),'), "rename=things.rank:place"
    ),
    "renamed column of another type": Trip(
        TWO,
        'table("a", key(), sa.Column("w", sa.BigInteger, index=True), string("y", index=True));'
        + TABLE_B,
        ("rename=a.x:w",),
    ),
    "columns that change places": renamed(
        TWO,
        'table("a", key(), string("x", index=True), integer("y", index=True));' + TABLE_B,
        "rename=a.x:y,a.y:x",
    ),
    "tables that change places": renamed(
        TWO,
        'table("b", key(), integer("x", index=True), string("y", index=True))\n'
        'table("a", key(), string("z", unique=True))',
        "rename=a:b,b:a",
    ),
    "no naming convention": renamed(
        "CREATE TABLE a (id serial PRIMARY KEY, x int UNIQUE, p int REFERENCES a (id), "
        "CHECK (x > 0))",
        """
metadata = sa.MetaData()
table("b", key(), integer("z", unique=True), integer("p", sa.ForeignKey("b.id")),
      sa.CheckConstraint("z > 0"))
""",
        "rename=a:b,a.x:z",
    ),
    "foreign key of two columns": renamed(
        "CREATE TABLE o (a int, b int, CONSTRAINT pk_o PRIMARY KEY (a, b));"
        "CREATE TABLE r (a int, b int,"
        " CONSTRAINT fk_r_a_b_o FOREIGN KEY (a, b) REFERENCES o (a, b))",
        """
table("o", key("a", autoincrement=False), key("c", autoincrement=False))
table("r", integer("a"), integer("d"), sa.ForeignKeyConstraint(["a", "d"], ["o.a", "o.c"]))
""",
        "rename=o.b:c,r.b:d",
    ),
    "cycle that moves to another schema": renamed(
        CYCLE,
        """
table("a", key(), integer("b", sa.ForeignKey("s.b.id")), schema="s")
table("b", key(), integer("a", sa.ForeignKey("s.a.id")), schema="s")
""",
        "rename=a:s.a,b:s.b",
    ),
    # Odd names
    "odd names": Trip(ODD, ODD_MODELS),
    "odd names that are dropped": Trip(
        ODD,
        "",
        (
            r"""allow-drop="it's",a\b,"a%b:c",public.Select""",
            'allow-drop="q""q"',
        ),
    ),
    "odd names that are renamed": renamed(
        ODD[: ODD.index('CREATE TABLE "a')],
        'table("a.b,c:d", key(), integer("x:y", index=True))',
        'rename=it\'s:"a.b,c:d","a.b,c:d".a%b:"x:y"',
    ),
}

A_WITH = 'table("a", key(), integer({}, index=True), string("y", index=True));' + TABLE_B
NOTHING_DROPPED = "nothing of that name would be dropped."

REFUSED_NAMES = {
    **{
        f"table whose name is taken by {sql}": (
            Trip(f"CREATE SCHEMA s; {sql}", 'table("n", key(), schema="s")'),
            f"Table s.n would be created, but the database has a {holder} s.n. {advice}",
        )
        for holder, sql, advice in (
            ("view", "CREATE VIEW s.n AS SELECT 1 AS id", "If the model is of it, say so"),
            ("materialized view", "CREATE MATERIALIZED VIEW s.n AS SELECT 1 AS id", "If the mod"),
            ("sequence", "CREATE SEQUENCE s.n", "Choose another name"),
            ("index", "CREATE TABLE s.m (id int); CREATE INDEX n ON s.m (id)", "Choose another"),
            ("type", "CREATE TYPE s.n AS ENUM ('a')", "Choose another name"),
            ("type", "CREATE DOMAIN s.n AS int", "Choose another name"),
        )
    },
    "index by hand": (
        Trip(ONE, f'table("t", key(), sa.Index("{"i" * 70}", "id"))'),
        f"The name {'i' * 70} has 70 bytes, and Postgres keeps 63.",
    ),
    "table": (
        Trip("", f'table("{"ä" * 40}", key())'),
        f"for the table in the models. If the database has the table already, its name there is "
        f"{'ä' * 31}.",
    ),
    "column": (
        Trip(ONE, f'table("t", key(), integer("{"c" * 70}"))'),
        "for the column of table t in the models",
    ),
    "enum": (
        Trip(ONE, f'table("t", key(), sa.Column("o", sa.Enum("a", name="{"e" * 70}")))'),
        "for the enum of table t in the models",
    ),
    "misspelt drop": (
        Trip(TWO, A_WITH.replace("integer({}, index=True), ", ""), ("allow-drop=a.z",)),
        f"-x allow-drop=a.z: {NOTHING_DROPPED} Possible are: -x allow-drop=a.x.",
    ),
    "drop in another case": (
        Trip(TWO, A_WITH.replace("integer({}, index=True), ", ""), ("allow-drop=A.x",)),
        f"-x allow-drop=A.x: {NOTHING_DROPPED} Possible are: -x allow-drop=a.x.",
    ),
    "drop without a difference": (
        Trip(TWO, A_WITH.format('"x"'), ("allow-drop=a.x",)),
        f"-x allow-drop=a.x: {NOTHING_DROPPED} Nothing would be.",
    ),
    "rename without a difference": (
        Trip(TWO, A_WITH.format('"x"'), ("rename=a.x:w",)),
        "-x rename=a.x:w: the models and the database have no such difference.",
    ),
    "misspelt rename": (
        Trip(TWO, A_WITH.format('"w"'), ("rename=a.z:w",)),
        "Possible are: -x rename=a.x:w.",
    ),
    "rename to a name that is taken": (
        Trip(TWO, A_WITH.format('"w"'), ("rename=a.x:y",)),
        "-x rename=a.x:y: the models and the database have no such difference.",
    ),
}
