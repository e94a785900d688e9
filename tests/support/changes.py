"""Changes of models, of every kind: what is written instead of a part of MODELS."""

from dataclasses import dataclass, field

MODELS = """
import enum
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from {base} import Base


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"
    UNUSED = "unused"


class Owner(Base):
    __tablename__ = "owners"
    __table_args__ = (sa.UniqueConstraint("country", "number", name="uq_owners_country_number"),)

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    country: Mapped[str]
    number: Mapped[int]


class Thing(Base):
    __tablename__ = "things"
    __table_args__ = (
        sa.CheckConstraint("size >= 0", name="size_positive"),
        sa.Index("ix_things_rank", "rank"),
        sa.UniqueConstraint("serial", name="uq_things_serial"),
    )

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    name: Mapped[str]
    label: Mapped[str | None]
    code: Mapped[str] = mapped_column(sa.String(50))
    size: Mapped[int]
    rank: Mapped[int]
    serial: Mapped[str]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    country: Mapped[str]
    number: Mapped[int]
    owner_id: Mapped[int] = mapped_column(
        sa.ForeignKey("owners.id", name="fk_things_owner_id_owners")
    )
    parent_id: Mapped[int | None]
    color: Mapped[Color] = mapped_column(sa.Enum(Color, name="color"))
    data: Mapped[Any] = mapped_column(postgresql.JSONB)
    weight: Mapped[int] = mapped_column(server_default=sa.text("1"))
    touched: Mapped[int] = mapped_column(server_default=sa.text("0"))


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    word: Mapped[str]
"""

# Rows for all of it: so many things, a thousand owners and tags.
ROWS = """
INSERT INTO owners (country, number) SELECT 'DE', n FROM generate_series(1, 1000) n;
INSERT INTO tags (word) SELECT 'word ' || n FROM generate_series(1, 1000) n;
INSERT INTO things (name, label, code, size, rank, serial, price, country, number, owner_id,
                    parent_id, color, data)
SELECT 'name ' || n, 'label ' || n, 'code ' || n, n %% 100, n, 'serial ' || n, n %% 1000, 'DE',
       n %% 1000 + 1, n %% 1000 + 1, NULLIF(n / 2, 0), (enum_range(NULL::color))[1 + n %% 2],
       jsonb_build_object('n', n)
FROM generate_series(1, %s) n;
ANALYZE;
"""


@dataclass(frozen=True)
class Change:
    """One change: each `old` text becomes the `new` one that follows it."""

    old: str
    new: str
    more: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = field(default=())  # said with -x
    shuts_out: bool = False  # cannot be made without keeping others waiting; the command says so
    shuts_out_on_the_way_back: bool = False
    server: int = 14  # the oldest one that knows it
    finding: str = "no findings"  # of `db lint`, if others are not kept waiting

    def models(self, base: str) -> str:
        """The models after the change, in a project that has `Base` in the module `base`."""
        models = MODELS
        for old, new in ((self.old, self.new), *self.more):
            assert models.count(old) == 1, f"{old!r} is there {models.count(old)} times"
            models = models.replace(old, new)
        return models.replace("{base}", base)


def models(base: str) -> str:
    """The models before any change."""
    return MODELS.replace("{base}", base)


LAST = '    touched: Mapped[int] = mapped_column(server_default=sa.text("0"))\n'
ARGS = '        sa.CheckConstraint("size >= 0", name="size_positive"),\n'


def column(line: str, **options: bool | int) -> Change:
    """A column more."""
    return Change(LAST, f"{LAST}    {line}\n", **options)  # type: ignore[arg-type]


def table_arg(line: str, **options: bool | int) -> Change:
    """A constraint or an index more."""
    return Change(ARGS, f"{ARGS}        {line},\n", **options)  # type: ignore[arg-type]


def table(text: str) -> Change:
    """A table more."""
    return Change("class Tag(Base):", f"{text}\n\n\nclass Tag(Base):")


NODE = """class Node(Base):
    __tablename__ = "nodes"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id", name="fk_nodes_parent"))
    thing_id: Mapped[int] = mapped_column(sa.ForeignKey("things.id", name="fk_nodes_thing"))"""

CYCLE = """class Hen(Base):
    __tablename__ = "hens"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    egg_id: Mapped[int] = mapped_column(
        sa.ForeignKey("eggs.id", name="fk_hens_egg", use_alter=True)
    )


class Egg(Base):
    __tablename__ = "eggs"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    hen_id: Mapped[int] = mapped_column(sa.ForeignKey("hens.id", name="fk_eggs_hen"))"""

COMPOSITE = """class Pair(Base):
    __tablename__ = "pairs"

    thing_id: Mapped[int] = mapped_column(
        sa.ForeignKey("things.id", name="fk_pairs_thing"), primary_key=True
    )
    word: Mapped[str] = mapped_column(primary_key=True)"""

BOOKING = """class Booking(Base):
    __tablename__ = "bookings"
    __table_args__ = (postgresql.ExcludeConstraint(("during", "&&"), name="ex_bookings_during"),)

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    during: Mapped[Any] = mapped_column(postgresql.TSTZRANGE)"""

TAG = """class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[int] = mapped_column(sa.Identity(), primary_key=True)
    word: Mapped[str]
"""

CHANGES = {
    # Columns
    "column that may be NULL": column("extra: Mapped[str | None]"),
    "column with a default": column(
        'extra: Mapped[int] = mapped_column(server_default=sa.text("7"))'
    ),
    "column with the time as default": column(
        "extra: Mapped[datetime] = mapped_column("
        "sa.DateTime(timezone=True), server_default=sa.func.now())"
    ),
    "column with a volatile default": column(
        "extra: Mapped[Any] = mapped_column(sa.Uuid, server_default=sa.func.gen_random_uuid())",
        shuts_out=True,
    ),
    "identity column": column(
        "extra: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity())", shuts_out=True
    ),
    "column that is computed and stored": column(
        'extra: Mapped[int | None] = mapped_column(sa.Computed("size * 2", persisted=True))',
        shuts_out=True,
    ),
    "column that is computed when read": column(
        'extra: Mapped[int | None] = mapped_column(sa.Computed("size * 2", persisted=False))',
        server=18,
    ),
    "json column": column("extra: Mapped[Any] = mapped_column(sa.JSON, nullable=True)"),
    "jsonb column": column(
        "extra: Mapped[Any] = mapped_column(postgresql.JSONB, server_default=sa.text(\"'{}'\"))"
    ),
    "array column": column(
        "extra: Mapped[Any] = mapped_column(sa.ARRAY(sa.Text), server_default=sa.text(\"'{}'\"))"
    ),
    "column of a new enum": Change(
        LAST,
        f"{LAST}    extra: Mapped[Any] = mapped_column(\n"
        '        sa.Enum("on", "off", name="state"), server_default=sa.text("\'on\'")\n    )\n',
    ),
    "dropped column": Change("    label: Mapped[str | None]\n", "", words=("allow-drop",)),
    "dropped column that was NOT NULL": Change(
        "    name: Mapped[str]\n", "", words=("allow-drop=things.name",)
    ),
    "renamed column": Change(
        "    name: Mapped[str]\n", "    title: Mapped[str]\n", words=("rename=things.name:title",)
    ),
    "renamed column with an index": Change(
        "    rank: Mapped[int]\n",
        "    place: Mapped[int]\n",
        more=(('sa.Index("ix_things_rank", "rank")', 'sa.Index("ix_things_place", "place")'),),
        words=("rename=things.rank:place",),
    ),
    "column that becomes NOT NULL": Change(
        "    label: Mapped[str | None]\n", "    label: Mapped[str]\n"
    ),
    "column that may become NULL": Change(
        "    name: Mapped[str]\n", "    name: Mapped[str | None]\n"
    ),
    "default that is set": Change(
        "    size: Mapped[int]\n", '    size: Mapped[int] = mapped_column(server_default="5")\n'
    ),
    "default that is changed": Change('sa.text("1")', 'sa.text("2")'),
    "default that is dropped": Change(
        '    weight: Mapped[int] = mapped_column(server_default=sa.text("1"))\n',
        "    weight: Mapped[int]\n",
        finding="ban-drop-default",
    ),
    "comment on a column": Change(
        "    name: Mapped[str]\n", '    name: Mapped[str] = mapped_column(comment="Its name.")\n'
    ),
    "comment on a table": Change(
        '        sa.UniqueConstraint("serial", name="uq_things_serial"),\n',
        '        sa.UniqueConstraint("serial", name="uq_things_serial"),\n'
        '        {"comment": "All things."},\n',
    ),
    # Types
    "longer text": Change("sa.String(50)", "sa.String(80)", shuts_out_on_the_way_back=True),
    "text without a limit": Change("sa.String(50)", "sa.Text()", shuts_out_on_the_way_back=True),
    "wider number": Change(
        "    size: Mapped[int]\n",
        "    size: Mapped[int] = mapped_column(sa.BigInteger)\n",
        shuts_out=True,
        shuts_out_on_the_way_back=True,
    ),
    "more digits": Change("sa.Numeric(10, 2)", "sa.Numeric(12, 2)", shuts_out_on_the_way_back=True),
    "text that becomes an enum": Change(
        "    country: Mapped[str]\n    number: Mapped[int]\n    owner_id",
        '    country: Mapped[Any] = mapped_column(sa.Enum("DE", "FR", name="country"))\n'
        "    number: Mapped[int]\n    owner_id",
        shuts_out=True,
        shuts_out_on_the_way_back=True,
    ),
    # Enums
    "enum value at the end": Change(
        '    UNUSED = "unused"\n',
        '    UNUSED = "unused"\n    BLUE = "blue"\n',
        shuts_out_on_the_way_back=True,
    ),
    "enum value in the middle, used as a default": Change(
        '    GREEN = "green"\n',
        '    BLUE = "blue"\n    GREEN = "green"\n',
        more=(
            ('sa.Enum(Color, name="color")', 'sa.Enum(Color, name="color"), server_default="BLUE"'),
        ),
        shuts_out_on_the_way_back=True,
    ),
    "enum value that is removed": Change(
        '    UNUSED = "unused"\n',
        "",
        words=("allow-drop=color.UNUSED",),
        shuts_out=True,
        shuts_out_on_the_way_back=True,
    ),
    # Indexes
    "index": table_arg('sa.Index("ix_things_name", "name")'),
    "unique index": table_arg('sa.Index("ix_things_code", "code", unique=True)'),
    "partial index": table_arg(
        'sa.Index("ix_things_big", "size", postgresql_where=sa.text("size > 50"))'
    ),
    "index on an expression": table_arg(
        'sa.Index("ix_things_lower", sa.text("lower(name)"), "rank")'
    ),
    "index of another kind": table_arg(
        'sa.Index("ix_things_data", "data", postgresql_using="gin")'
    ),
    "dropped index": Change('        sa.Index("ix_things_rank", "rank"),\n', ""),
    "index on other columns": Change(
        'sa.Index("ix_things_rank", "rank")', 'sa.Index("ix_things_rank", "rank", "size")'
    ),
    # Constraints
    "unique constraint": table_arg('sa.UniqueConstraint("code", name="uq_things_code")'),
    "unique constraint on two columns, deferred": table_arg(
        'sa.UniqueConstraint("code", "rank", name="uq_things_code_rank", '
        'deferrable=True, initially="DEFERRED")'
    ),
    "dropped unique constraint": Change(
        '        sa.UniqueConstraint("serial", name="uq_things_serial"),\n', ""
    ),
    "check constraint": table_arg('sa.CheckConstraint("rank > 0", name="rank_positive")'),
    "dropped check constraint": Change(ARGS, ""),
    "foreign key": Change(
        "    number: Mapped[int]\n    owner_id",
        "    number: Mapped[int] = mapped_column(\n"
        '        sa.ForeignKey("owners.id", name="fk_things_number")\n    )\n    owner_id',
    ),
    "foreign key to the same table": Change(
        "    parent_id: Mapped[int | None]\n",
        "    parent_id: Mapped[int | None] = mapped_column(\n"
        '        sa.ForeignKey("things.id", name="fk_things_parent", ondelete="SET NULL")\n    )\n',
    ),
    "foreign key of two columns": table_arg(
        "sa.ForeignKeyConstraint("
        '["country", "number"], ["owners.country", "owners.number"], name="fk_things_country")'
    ),
    "foreign key on a new column": column(
        'tag_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tags.id", name="fk_things_tag"))'
    ),
    "dropped foreign key": Change(
        "    owner_id: Mapped[int] = mapped_column(\n"
        '        sa.ForeignKey("owners.id", name="fk_things_owner_id_owners")\n    )\n',
        "    owner_id: Mapped[int]\n",
    ),
    # Tables
    "table that refers to itself and to others": table(NODE),
    "tables that refer to each other": table(CYCLE),
    "table with a key of two columns": table(COMPOSITE),
    "table with an exclusion constraint": table(BOOKING),
    "dropped table": Change(TAG, "", words=("allow-drop=tags",)),
    "renamed table": Change(
        '    __tablename__ = "things"',
        '    __tablename__ = "items"',
        words=("rename=things:items",),
    ),
    "table moved to another schema": Change(
        TAG,
        TAG.replace('"tags"\n', '"tags"\n    __table_args__ = ({"schema": "words"},)\n'),
        words=("rename=tags:words.tags",),
    ),
}
