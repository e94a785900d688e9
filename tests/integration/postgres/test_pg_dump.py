"""pg_dump: over TLS although the wheel's has none, and of the version that the server needs."""

import os
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from alembic.util import CommandError
from alembic_live.address import Address
from alembic_live.postgres import tls_relay
from alembic_live.postgres.dump import read_schema
from alembic_live.postgres.local.binaries import find_clients
from alembic_live.postgres.pg_dump import _has_tls
from project import said
from proxy import Proxy, proxy
from roles import server_context
from sample import NewProject
from server import Database

MODES = ["prefer", "require", "verify-ca", "verify-full"]


@contextmanager
def encrypted(database: Database, folder: Path, certified: str) -> Iterator[tuple[Address, Proxy]]:
    """An address that demands TLS, and the file of its authority in `sslrootcert`."""
    context, authority, _ = server_context(certified)
    root = folder / "root.crt"
    authority.cert_pem.write_to_path(root)
    with proxy(database.host, database.port, context, binding=True) as relay:
        there = replace(database, host="localhost", port=relay.port).address()
        yield replace(there, sslrootcert=str(root)), relay


def test_the_wheel_has_no_tls() -> None:
    """The day that it has, the relay is not needed."""
    assert not _has_tls(find_clients("pg_dump")[0])


@pytest.mark.parametrize("mode", MODES)
def test_a_dump_is_encrypted(database: Database, tmp_path: Path, mode: Any) -> None:
    database.query("CREATE TABLE t (id int)")
    with encrypted(database, tmp_path, "localhost") as (address, relay):
        found = read_schema(replace(address, sslmode=mode))
        assert [obj.name for obj in found] == ["t"]
        assert relay.encrypted > 0


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("verify-full", "not valid for 'localhost'"),
        ("verify-ca", "certificate verify failed"),
    ],
)
def test_a_certificate_that_is_wrong_is_a_sentence(
    database: Database, tmp_path: Path, mode: Any, words: str
) -> None:
    with encrypted(database, tmp_path, "another.example") as (address, _):
        if mode == "verify-ca":
            trustme.CA().cert_pem.write_to_path(tmp_path / "root.crt")
        with pytest.raises(CommandError) as refused:
            read_schema(replace(address, sslmode=mode, origin=""))
    assert words in str(refused.value)
    assert "Check DB_SSLMODE and DB_SSLROOTCERT" in str(refused.value)
    assert database.password not in str(refused.value)


def test_a_server_without_tls_is_a_sentence(database: Database) -> None:
    with pytest.raises(CommandError, match="the server does not support TLS"):
        read_schema(replace(database.address(), sslmode="require"))


def test_the_client_s_certificate_is_shown(database: Database, tmp_path: Path) -> None:
    context, _, _ = server_context("localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    clients = trustme.CA()
    clients.configure_trust(context)
    mine = tmp_path / "me.pem"
    clients.issue_cert("me").private_key_and_cert_chain_pem.write_to_path(mine)
    with proxy(database.host, database.port, context) as relay:
        there = replace(database, host="localhost", port=relay.port).address()
        assert read_schema(replace(there, sslmode="require", sslcert=str(mine))) == {}


def test_another_account_cannot_use_the_relay(database: Database, tmp_path: Path) -> None:
    with (
        encrypted(database, tmp_path, "localhost") as (address, _),
        tls_relay.relayed(replace(address, sslmode="require")) as relay,
    ):
        assert Path(relay.address.host).stat().st_mode & 0o777 == 0o700
    assert not Path(relay.address.host).exists()


def fake(folder: Path, version: int) -> Path:
    """A pg_dump of another version: this one answers as such a program does."""
    folder.mkdir()
    path = folder / "pg_dump"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"if '--version' in sys.argv: print('pg_dump (PostgreSQL) {version}.1'); sys.exit()\n"
        "print('pg_dump: error: aborting because of server version mismatch', file=sys.stderr)\n"
        f"print('pg_dump: detail: server version: 18.1; pg_dump version: {version}.1', "
        "file=sys.stderr)\nsys.exit(1)\n"
    )
    path.chmod(0o755)
    return path


def test_a_newer_program_is_used_for_a_newer_server(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [real, *_] = find_clients("pg_dump")
    old, middle = fake(tmp_path / "16", 16), fake(tmp_path / "17", 17)
    programs = [old, middle, real]
    monkeypatch.setattr("alembic_live.postgres.pg_dump.find_clients", lambda _: programs)
    assert read_schema(database.address()) == {}
    programs.remove(real)
    with pytest.raises(CommandError) as refused:
        read_schema(database.address())
    assert f"The server is PostgreSQL 18, and {old} is 16, which cannot dump it" in str(
        refused.value
    )
    assert "apt package postgresql-client-18" in str(refused.value)


def test_channel_binding_needs_a_program_with_tls(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [wheel, *_] = find_clients("pg_dump")
    monkeypatch.setattr("alembic_live.postgres.pg_dump.find_clients", lambda _: [wheel])
    address = replace(
        database.address("psycopg"), options={"channel_binding": "require"}, origin="DATABASE_URL"
    )
    with pytest.raises(CommandError, match="channel_binding is require in DATABASE_URL, and no pg"):
        read_schema(address)


def test_the_programs_in_pg_bin_come_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(tmp_path / "bin", 16)
    (path.parent / "pg_ctl").touch()
    monkeypatch.setenv("PG_BIN", str(path.parent))
    assert find_clients("pg_dump") == [path]
    monkeypatch.delenv("PG_BIN")
    monkeypatch.setenv("PATH", str(path.parent), prepend=os.pathsep)
    assert path in find_clients("pg_dump")[1:]


def test_every_command_that_dumps_works_over_tls(
    new_project: NewProject, database: Database, tmp_path: Path
) -> None:
    with encrypted(database, tmp_path, "localhost") as (address, _):
        project = new_project().given(
            DB_HOST=address.host,
            DB_PORT=str(address.port),
            DB_SSLMODE="verify-full",
            DB_SSLROOTCERT=address.sslrootcert,
        )
        project.alembic("upgrade", "head")
        assert "matches" in said(project.db("drift"))
        project.db("schema")
        assert "notes" in (project.path / "schema.sql").read_text()
