"""Names over 63 bytes become what SQLAlchemy and Postgres make of them."""

import pytest
from alembic.util import CommandError
from alembic_live.names import cut_name, possible_names, shorten_names, stored_name
from sqlalchemy import Column, Index, Integer, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from sqlalchemy.sql.elements import conv

LONG = "a" * 70


@pytest.mark.parametrize("name", ["short", "a" * 63, "a" * 64, LONG, "B" * 70])
def test_a_name_is_that_of_sqlalchemys_sql(name: str) -> None:
    table = Table("t", MetaData(), Column("c", Integer))
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    sql = str(CreateIndex(Index(conv(name), table.c.c)).compile(dialect=dialect))
    assert stored_name(name) in sql.replace('"', "").split()


def test_a_name_is_cut_between_characters() -> None:
    assert cut_name("ä" * 40) == "ä" * 31
    assert cut_name("xä" * 30) == "xä" * 21
    assert stored_name("ä" * 40) == "ä" * 31


def test_a_long_name_can_be_that_of_sqlalchemy_or_of_postgres() -> None:
    assert possible_names("short") == ["short"]
    assert possible_names(LONG) == [stored_name(LONG), "a" * 63]


def test_names_of_a_convention_are_shortened_once() -> None:
    metadata = MetaData(naming_convention={"ix": f"{LONG}_%(column_0_name)s"})
    table = Table("t", metadata, Column("c", Integer, index=True))
    for _ in range(2):
        shorten_names(metadata)
        assert [index.name for index in table.indexes] == [stored_name(f"{LONG}_c")]


def test_a_long_name_that_a_person_chose_is_refused() -> None:
    metadata = MetaData()
    Table("t", metadata, Column("c", Integer), Index(LONG, "c"))
    with pytest.raises(CommandError, match="has 70 bytes, and Postgres keeps 63"):
        shorten_names(metadata)
