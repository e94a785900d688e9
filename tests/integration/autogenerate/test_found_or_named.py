"""What a comparison finds, or names as not compared, so that nobody reads that all agrees."""

import os
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.util import CommandError
from evolution import Evolution
from server import Database
from sqlalchemy.dialects import postgresql as pg

BEGIN = "ALTER TABLE things RENAME CONSTRAINT"
NAMED = {
    "name of a foreign key": (
        f"{BEGIN} fk_things_other_id_others TO another",
        "name of things.another. Reason: the models have another name for it",
    ),
    "name of a primary key": (f"{BEGIN} pk_things TO another", "name of things.another"),
    "numbers of a key": (
        "ALTER TABLE things ALTER COLUMN id DROP DEFAULT",
        "numbers of things.id. Reason: SQLAlchemy creates such a key as SERIAL",
    ),
    "check of a domain": (
        "ALTER DOMAIN code DROP CONSTRAINT short",
        "domain code. Reason: its definition in the models differs",
    ),
    "default of a domain": ("ALTER DOMAIN code SET DEFAULT 'x'", "domain code"),
}


def models(metadata: sa.MetaData, match: str | None = None) -> None:
    """A table with all of it."""
    code = pg.DOMAIN("code", sa.Text, constraint_name="short", check=sa.text("length(VALUE) < 9"))
    sa.Table("others", metadata, sa.Column("id", sa.Integer, sa.Identity(), primary_key=True))
    sa.Table(
        "things",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("other_id", sa.Integer, sa.ForeignKey("others.id", match=match)),
        sa.Column("code", code),
    )


@pytest.fixture(scope="module")
def evolution(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evolution]:
    """A history that each test begins again."""
    with server.another(f"named_{os.getpid()}") as database:
        yield Evolution(tmp_path_factory.mktemp("named"), database)


@pytest.fixture
def migrated(evolution: Evolution) -> Evolution:
    """The history, with a database that has the models."""
    evolution.clear()
    evolution.use(models)
    evolution.revise()
    evolution.alembic("upgrade", "head")
    return evolution


@pytest.mark.parametrize(("sql", "sentence"), NAMED.values(), ids=NAMED)
def test_what_is_not_compared_is_named(migrated: Evolution, sql: str, sentence: str) -> None:
    assert "Not compared" not in migrated.alembic("check")
    migrated.execute(sql)
    assert f"Not compared: {sentence}" in migrated.alembic("check")


def test_a_match_is_found_and_goes_up_and_down(migrated: Evolution) -> None:
    before = migrated.snapshot()
    migrated.use(lambda metadata: models(metadata, match="FULL"))
    with pytest.raises(CommandError, match="fk_things_other_id_others"):
        migrated.alembic("check")
    migrated.revise()
    migrated.alembic("upgrade", "head")
    migrated.alembic("check")
    assert "MATCH FULL" in str(migrated.snapshot())
    migrated.use(models)
    migrated.revise()
    migrated.alembic("upgrade", "head")
    assert migrated.snapshot() == before
    migrated.alembic("downgrade", "first")
    assert migrated.snapshot() == before


def test_the_default_of_a_domain_is_none_of_its_columns(evolution: Evolution) -> None:
    def with_code(metadata: sa.MetaData) -> None:
        code = pg.DOMAIN("code", sa.Text, default="'x'", not_null=True)
        sa.Table("things", metadata, sa.Column("code", code), sa.Column("codes", sa.ARRAY(code)))

    evolution.clear()
    evolution.use(with_code)
    evolution.revise()
    evolution.alembic("upgrade", "head")
    assert "Not compared" not in evolution.alembic("check")


KEPT = "SELECT obj_description(oid, 'pg_type'), typacl::text FROM pg_type WHERE typname = 'color'"


def test_an_enum_that_is_recreated_keeps_its_comment_and_privileges(evolution: Evolution) -> None:
    def colored(*labels: str) -> None:
        evolution.use(
            lambda metadata: sa.Table(
                "things", metadata, sa.Column("color", sa.Enum(*labels, name="color"))
            )
        )

    evolution.clear()
    colored("red", "green", "blue")
    evolution.revise()
    evolution.alembic("upgrade", "head")
    evolution.execute(
        "COMMENT ON TYPE color IS 'It''s a color'; REVOKE USAGE ON TYPE color FROM PUBLIC;"
        "GRANT USAGE ON TYPE color TO pg_monitor"
    )
    before = evolution.database.query(KEPT)
    colored("red", "green")
    evolution.revise("allow-drop=color.blue")
    evolution.alembic("upgrade", "head")
    assert evolution.database.query(KEPT) == before
    evolution.alembic("downgrade", "first")
    assert evolution.database.query(KEPT) == before
