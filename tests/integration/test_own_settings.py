"""A project that chose everything by itself uses the library as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import campaign
from edit import edit
from project import Finished, commit, said
from server import Database
from store import Store, write_store

KINDS = ("url", "engine", "async engine", "alembic.ini")

NewStore = Callable[..., Store]


@pytest.fixture
def new_store(tmp_path: Path, database: Database) -> NewStore:
    """Writes the project, whose database plain Alembic has migrated and others use as well."""

    def new_store(kind: str = "url") -> Store:
        store = write_store(tmp_path / "store", database, kind=kind)
        env = store.path / "alembic" / "env.py"
        wired = env.read_text()
        env.write_text((store.path / "alembic" / "plain_env.py").read_text())
        store.alembic("upgrade", "head")
        env.write_text(wired)
        (store.path / "alembic" / "plain_env.py").unlink()
        database.query("INSERT INTO products (sku, state) VALUES ('a', 'live')")
        database.query("CREATE TABLE legacy_things (id serial PRIMARY KEY)")
        database.query("CREATE SCHEMA elsewhere CREATE TABLE of_others (id int)")
        commit(store.path)
        return store

    return new_store


def add_columns(store: Store) -> None:
    """Change models in two of the schemas."""
    edit(
        store.path / "catalog" / "tables" / "product.py",
        "    state: Mapped[State]",
        "    state: Mapped[State]\n    weight: Mapped[int | None] = mapped_column(index=True)",
    )
    edit(
        store.path / "billing" / "models.py",
        "    number: Mapped[str]",
        "    product_id: Mapped[int | None] = mapped_column(ForeignKey('billing.invoices.id'))\n"
        "    number: Mapped[str]",
    )


def write_models(store: Store, file: str, *, ok: bool = True) -> Finished:
    """`db baseline --models`."""
    return store.db("baseline", "--models", "--output", file, ok=ok)


@campaign("kind", KINDS, keep=["url", "async engine"])
def test_commands_work_with_every_kind_of_address(
    new_store: NewStore, database: Database, kind: str
) -> None:
    store = new_store(kind)
    assert "0000000000b2 (head)" in store.db("status").stdout
    assert "0000000000b2 (head)" in store.alembic("current").stdout
    store.alembic("check")
    assert said(store.db("drift")).endswith("The database matches revision 0000000000b2.\n")
    doctor = store.db("doctor").stdout
    assert "WRONG" not in doctor
    assert 'tables in schema "billing"' in doctor
    store.alembic("downgrade", "-1")
    assert "number" in store.db("plan").stdout
    assert "ADD COLUMN number" in store.alembic("upgrade", "head", "--sql").stdout
    store.db("migrate")
    assert database.query("SELECT version_num FROM store_history") == [("0000000000b2",)]
    store.db("schema")
    sql = (store.path / "schema.sql").read_text()
    assert "CREATE TABLE billing.invoices" in sql
    assert "store_history" not in sql


def test_changes_are_written_without_downtime_and_with_its_own_names(
    new_store: NewStore, database: Database
) -> None:
    store = new_store()
    add_columns(store)
    store.alembic("revision", "--autogenerate", "-m", "More")
    written = "".join(path.read_text() for path in store.versions[2:])
    assert "create_index_concurrently(op.f('products_weight_idx')" in written
    assert "create_foreign_key_concurrently(op.f('invoices_product_id_ref')" in written
    assert "legacy_things" not in written
    assert "of_others" not in written
    assert "2 new revisions" in store.db("lint").stdout
    assert "CREATE INDEX CONCURRENTLY" in store.db("plan", "--verbose").stdout
    store.alembic("upgrade", "head")
    store.alembic("check")
    store.db("drift")
    assert database.value("SELECT count(*) FROM products") == 1
    assert not (store.path / "alembic" / "head.txt").exists()


def test_a_revision_is_removed_and_the_rest_squashed(
    new_store: NewStore, database: Database
) -> None:
    store = new_store()
    store.alembic("revision", "-m", "Bad", "--rev-id", "0000000000c3")
    store.alembic("upgrade", "head")
    removed = store.db("remove", "0000000000c3", "--yes")
    assert "head.txt" not in said(removed)
    assert database.query("SELECT version_num FROM store_history") == [("0000000000b2",)]
    squashed = store.db("squash", "--yes")
    assert "Undo: git restore --source=HEAD --staged --worktree alembic" in squashed.stderr
    [left] = store.versions
    assert "CREATE SCHEMA billing" in left.read_text()
    assert "legacy_things" not in left.read_text()
    store.alembic("upgrade", "head")
    store.alembic("check")
    store.db("drift")
    store.db("reset", "--yes")
    store.alembic("check")
    assert database.value("SELECT count(*) FROM products") == 0


def test_a_database_that_alembic_does_not_know_comes_under_it(
    new_store: NewStore, database: Database
) -> None:
    store = new_store()
    database.query("DROP TABLE store_history")
    for path in store.versions:
        path.unlink()
    commit(store.path)
    models = store.path / "core" / "tables.py"
    refused = write_models(store, "core/nowhere/tables.py", ok=False)
    assert "nowhere does not exist" in refused.stderr
    write_models(store, "core/tables.py")
    assert "from core.db import CatalogBase" in models.read_text()
    assert "legacy" not in models.read_text().lower()
    models.unlink()
    done = store.db("baseline", "--yes")
    assert "DROP TABLE store_history" in done.stderr
    [written] = store.versions
    assert "legacy_things" not in written.read_text()
    store.alembic("check")
    store.db("drift")


def test_two_roles_get_their_rights_in_every_schema(
    new_store: NewStore, database: Database
) -> None:
    store = new_store()
    assert "--application NAME" in store.db("roles", ok=False).stderr
    name = f"reader_{database.name}"[:60]
    sql = store.db("roles", "--application", name, "--owner", database.user).stdout
    with database.connect() as connection:
        connection.execute(sql.encode())
        try:
            rights = connection.execute(
                "SELECT has_table_privilege(%(role)s, 'billing.invoices', 'INSERT'),"
                " has_table_privilege(%(role)s, 'audit.log', 'SELECT'),"
                " has_table_privilege(%(role)s, 'store_history', 'INSERT'),"
                " has_schema_privilege(%(role)s, 'billing', 'CREATE')",
                {"role": name},
            ).fetchone()
        finally:
            connection.execute(f'DROP OWNED BY "{name}"'.encode())
            connection.execute(f'DROP ROLE "{name}"'.encode())
    assert rights == (True, True, False, False)


def test_the_gates_take_the_database_of_the_tests(new_store: NewStore, database: Database) -> None:
    store = new_store()
    for kind in ("url", "alembic.ini"):
        done = store.given(STORE_KIND=kind, STORE_DATABASE="").run("pytest", "--quiet", ok=False)
        assert "8 passed" in done.stdout, said(done)
    left = database.query("SELECT datname FROM pg_database WHERE datname ~ '^test_[0-9a-f]{8}'")
    assert left == []
