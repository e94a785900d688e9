"""A missing or changed undocumented name of another library is an error that says what to do."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import asyncpg
import pytest
from alembic.runtime.migration import MigrationContext
from alembic_live.errors import IncompatibleLibraryError
from alembic_live.internals import (
    Internal,
    alembic,
    attribute,
    require,
    sqlacodegen,
    sqlalchemy,
    sqlalchemy_connection,
    sqlalchemy_pool,
)
from alembic_live.internals import asyncpg as internals_of_asyncpg

ALL: tuple[Internal, ...] = (
    *alembic.MIGRATION,
    *alembic.STEPS,
    *alembic.CALLBACKS,
    *alembic.HISTORY,
    *alembic.FOLDERS,
    *alembic.AUTOGENERATE,
    *sqlalchemy.MIGRATION,
    *sqlalchemy.TYPES,
    *sqlalchemy_connection.CONNECTION,
    *sqlalchemy_pool.POOL,
    *internals_of_asyncpg.CONNECTION,
    *sqlacodegen.MODELS,
)
ATTRIBUTES = sorted({each.name for each in ALL if each.name.count(".") > 1})


@pytest.fixture(autouse=True)
def _probe_anew() -> Iterator[None]:
    alembic._probe.cache_clear()
    yield
    alembic._probe.cache_clear()


@pytest.mark.parametrize("internal", ALL, ids=lambda each: each.name)
def test_the_installed_libraries_have_it(internal: Internal) -> None:
    require([internal])


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_missing_name_is_an_error_that_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, _, last = name.rpartition(".")
    try:
        holder: Any = import_module(where)
    except ModuleNotFoundError:
        module, _, class_ = where.rpartition(".")
        holder = getattr(import_module(module), class_)
    for owner in getattr(holder, "__mro__", [holder]):
        if last in vars(owner):
            monkeypatch.delattr(owner, last)
    [internal, *_] = [each for each in ALL if each.name == name]
    with pytest.raises(IncompatibleLibraryError) as raised:
        require([internal])
    text = str(raised.value)
    assert f"needs {name}, which {internal.library} does not document" in text
    assert "Nothing was done. Install an older release" in text


@pytest.mark.parametrize("name", ["opts", "purge", "version_table", "version_table_schema"])
def test_a_migration_context_without_an_attribute_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = MigrationContext.__init__

    def without(self: Any, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        delattr(self, name)

    monkeypatch.setattr(MigrationContext, "__init__", without)
    with pytest.raises(IncompatibleLibraryError, match=rf"needs MigrationContext\.{name}, "):
        require(alembic.MIGRATION)


def test_connections_of_asyncpg_that_take_other_arguments_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def make(self: object, transport: object, protocol: object) -> None: ...

    monkeypatch.setattr(asyncpg.Connection, "__init__", make)
    with pytest.raises(IncompatibleLibraryError, match="which asyncpg does not document"):
        internals_of_asyncpg.connection_class(lambda _socket: None)


def test_an_error_of_a_check_counts_as_missing() -> None:
    def fail() -> bool:
        raise RuntimeError

    with pytest.raises(IncompatibleLibraryError, match=r"needs a\.thing"):
        require([Internal("sqlalchemy", "a.thing", fail)])
    with pytest.raises(IncompatibleLibraryError, match="unknown version"):
        require([attribute("no-such-library", "no_such_module", "name")])
