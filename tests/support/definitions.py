"""Definitions of indexes and constraints: what a revision wants, equal ones in other words, and
different ones of the same name.
"""

from typing import NamedTuple


class Names(NamedTuple):
    """An index that a revision wants, the same in other words, and others of that name."""

    wanted: str
    same: str
    others: tuple[str, ...]


INDEXES = {
    "columns": Names(
        '"things", ["name", "kind"]',
        "INDEX ix ON things (name, kind)",
        ("INDEX ix ON things (kind, name)", "INDEX ix ON things (name)"),
    ),
    "names": Names(
        '"things", ["Odd Name"]',
        'INDEX ix ON things ("Odd Name")',
        ('INDEX ix ON things ("of")', 'INDEX ix ON things (("of" + 1))'),
    ),
    "predicate": Names(
        """"things", ["name"], postgresql_where=sa.text("kind IN ('a')")""",
        "INDEX ix ON things (name) WHERE (kind = 'a')",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) WHERE (kind = 'b')"),
    ),
    "a predicate as a dump has it": Names(
        """"things", ["name"], postgresql_where=sa.text("kind IN ('a', 'b')")""",
        "INDEX ix ON things (name) WHERE kind::text = ANY (ARRAY['a'::varchar, 'b'::varchar]::text[])",
        ("INDEX ix ON things (name) WHERE (kind IN ('a', 'c'))",),
    ),
    "a name with its table": Names(
        """"things", ["name"], postgresql_where=sa.text("things.id > 1")""",
        "INDEX ix ON things (name) WHERE (id > 1)",
        ("INDEX ix ON things (name) WHERE (id > 2)",),
    ),
    "method": Names(
        '"things", ["tags"], postgresql_using="gin"',
        "INDEX ix ON things USING gin (tags array_ops)",
        ("INDEX ix ON things (tags)",),
    ),
    "operator class": Names(
        '"things", ["name"], postgresql_ops={"name": "text_pattern_ops"}',
        "INDEX ix ON things (name text_pattern_ops)",
        ("INDEX ix ON things (name)",),
    ),
    "order": Names(
        '"things", [sa.text("name DESC"), sa.column("kind").asc().nulls_first()]',
        "INDEX ix ON things (name DESC NULLS FIRST, kind NULLS FIRST)",
        (
            "INDEX ix ON things (name, kind NULLS FIRST)",
            "INDEX ix ON things (name DESC NULLS LAST, kind NULLS FIRST)",
        ),
    ),
    "included columns": Names(
        '"things", ["name"], postgresql_include=["kind"]',
        "INDEX ix ON things (name) INCLUDE (kind)",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) INCLUDE (tags)"),
    ),
    "uniqueness": Names(
        '"things", ["name"], unique=True',
        "UNIQUE INDEX ix ON things (name)",
        ("INDEX ix ON things (name)",),
    ),
    "no uniqueness": Names(
        '"things", ["name"]', "INDEX ix ON things (name)", ("UNIQUE INDEX ix ON things (name)",)
    ),
    "equal NULLs": Names(
        '"things", ["name"], unique=True, postgresql_nulls_not_distinct=True',
        "UNIQUE INDEX ix ON things (name) NULLS NOT DISTINCT",
        ("UNIQUE INDEX ix ON things (name)",),
    ),
    "collation": Names(
        """"things", [sa.text('name COLLATE "C"')]""",
        'INDEX ix ON things (name COLLATE "C")',
        ("INDEX ix ON things (name)", 'INDEX ix ON things (name COLLATE "POSIX")'),
    ),
    "expression": Names(
        '"things", [sa.text("lower(name)")]',
        "INDEX ix ON things (LOWER(name))",
        ("INDEX ix ON things (upper(name))", "INDEX ix ON things (name)"),
    ),
    "columns of a table": Names(
        """"things", [sa.table("things", sa.column("id"), sa.column("name")).c.name.desc()]""",
        "INDEX ix ON things (name DESC)",
        ("INDEX ix ON things (name)",),
    ),
    "columns of a Table": Names(
        '"things", [sa.Table("things", sa.MetaData(), sa.Column("name", sa.Text)).c.name.desc()]',
        "INDEX ix ON things (name DESC)",
        ("INDEX ix ON things (name)",),
    ),
    "storage parameters": Names(
        '"things", ["name"], postgresql_with={"fillfactor": 70}',
        "INDEX ix ON things (name) WITH (FILLFACTOR = 70)",
        ("INDEX ix ON things (name)", "INDEX ix ON things (name) WITH (fillfactor = 71)"),
    ),
    "a table in another schema": Names(
        '"things", ["name"], schema="other"',
        "INDEX ix ON other.things (name)",
        ("INDEX ix ON other.things (kind)",),
    ),
}


class Constraints(NamedTuple):
    """A constraint that a revision wants, the same in other words, and others of that name."""

    call: str
    same: tuple[str, ...]
    others: tuple[str, ...]


FOREIGN_KEY = 'create_foreign_key_concurrently("k", "things", "owners", ["of"], ["id"]'
UNIQUE = 'create_unique_constraint_concurrently("k", "things", ["name", "kind"]'
CONSTRAINTS = {
    "check": Constraints(
        """create_check_constraint_concurrently("k", "things", "kind IN ('a', 'b:c')")""",
        (
            "CHECK (kind IN ('a', 'b:c'))",
            "CHECK (kind::text = ANY (ARRAY['a'::varchar, 'b:c'::varchar]::text[])) NOT VALID",
        ),
        (
            "CHECK (kind IN ('a', 'b'))",
            "CHECK (kind IN ('a')) NOT VALID",
            "CHECK (kind IN ('a', 'b:c')) NO INHERIT",
            "UNIQUE (kind)",
        ),
    ),
    "foreign key": Constraints(
        f"{FOREIGN_KEY})",
        (
            'FOREIGN KEY ("of") REFERENCES owners',
            'FOREIGN KEY ("of") REFERENCES public.owners (id) ON DELETE NO ACTION NOT VALID',
        ),
        (
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE',
            'FOREIGN KEY ("of") REFERENCES owners ON UPDATE CASCADE NOT VALID',
            'FOREIGN KEY ("of") REFERENCES owners (other)',
            'FOREIGN KEY ("of") REFERENCES strangers',
            "FOREIGN KEY (id) REFERENCES owners",
            'FOREIGN KEY ("of") REFERENCES owners DEFERRABLE',
            'CHECK ("of" > 0)',
        ),
    ),
    "foreign key with options": Constraints(
        f'{FOREIGN_KEY}, ondelete="CASCADE", deferrable=True, initially="DEFERRED")',
        ('FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED',),
        (
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE CASCADE',
            'FOREIGN KEY ("of") REFERENCES owners ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED',
        ),
    ),
    "unique": Constraints(
        f"{UNIQUE})",
        ("UNIQUE (name, kind)",),
        (
            "UNIQUE (kind, name)",
            "UNIQUE (name)",
            "UNIQUE (name, kind) DEFERRABLE",
            "UNIQUE (name, kind) INCLUDE (id)",
            "UNIQUE (name, kind) WITH (fillfactor = 70)",
            "CHECK (name <> kind)",
        ),
    ),
    "unique with options": Constraints(
        f'{UNIQUE}, deferrable=True, initially="DEFERRED", postgresql_include=["tags"])',
        ("UNIQUE (name, kind) INCLUDE (tags) DEFERRABLE INITIALLY DEFERRED",),
        (
            "UNIQUE (name, kind) INCLUDE (tags) DEFERRABLE",
            "UNIQUE (name, kind) DEFERRABLE INITIALLY DEFERRED",
        ),
    ),
}
