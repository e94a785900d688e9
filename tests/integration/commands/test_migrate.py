"""`db migrate`: quick where there is nothing to do, and in all else what `upgrade head` is."""

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from campaigns import campaign
from project import Project, said
from proxy import proxy
from roles import owner, server_context
from sample import NewProject
from server import Database

pytestmark = pytest.mark.typed

NOTHING = "The database is at the newest revision: nothing to do."

QUICKLY = """
import sys
from pathlib import Path
from alembic_live.runtime.fast_path import is_at_head
print(is_at_head(Path("alembic.ini").resolve()))
assert not {"sqlalchemy", "alembic", "pydantic", "pydantic_settings"} & sys.modules.keys()
"""


def quickly(project: Project) -> bool:
    """Whether the quick way says that there is nothing to do."""
    return {"True\n": True, "False\n": False}[project.run("python", "-c", QUICKLY).stdout]


@pytest.fixture
def project(new_project: NewProject) -> Project:
    """A project whose database is at the head."""
    project = new_project()
    assert not quickly(project)
    assert "Running upgrade" in said(project.db("migrate"))
    return project


def test_it_migrates_and_then_has_nothing_to_do(project: Project, database: Database) -> None:
    assert quickly(project)
    done = project.db("migrate")
    assert said(done).strip() == NOTHING
    assert done.stdout == ""
    project.alembic("revision", "-m", "one more")
    assert not quickly(project)
    assert "Running upgrade" in said(project.db("migrate"))
    assert quickly(project)


def test_another_schema(new_project: NewProject) -> None:
    project = new_project(database_schema="sales")
    project.db("migrate")
    assert quickly(project)


@pytest.mark.parametrize("example", [True, False])
def test_an_empty_database(new_project: NewProject, example: bool) -> None:
    project = new_project(example=example)
    assert not quickly(project)
    project.db("migrate")
    assert quickly(project) is example  # without a revision there is no head


@campaign("password", ["%@:/#?&'\" \\+=", "long" * 50, "é数"], keep=["%@:/#?&'\" \\+=", "é数"])
def test_any_password(service: Project, server: Database, password: str) -> None:
    name = f"quick_{abs(hash(password))}"
    with owner(server, name, password) as database:
        project = service.given(**database.environment)
        project.db("migrate")
        assert quickly(project)
        assert not quickly(project.given(DB_PASSWORD="wrong"))


def test_what_is_wrong_is_said_in_the_ordinary_way(project: Project, database: Database) -> None:
    for change, words in {
        ("DB_PASSWORD", "wrong"): "Check DB_USER and DB_PASSWORD",
        ("DB_PORT", "1"): "Connection refused",
        ("DB_PORT", "abc"): "DB_PORT: it takes a number from 1 to 65535",
        ("DB_SSLMODE", "maybe"): "DB_SSLMODE",
        ("DB_SSLMODE", "require"): "check DB_SSLMODE",
        ("DB_HOST", ""): "DB_HOST is not set",
        ("DB_POOLER", "transaction"): "Set DB_MIGRATION_HOST",
    }.items():
        done = project.given(**dict([change])).db("migrate", ok=False)
        assert done.returncode == 1
        assert words in " ".join(done.stderr.split())
        assert "Traceback" not in said(done)
    database.query("UPDATE alembic_version SET version_num = 'tomorrow'")
    assert "not in this code" in said(project.db("migrate", ok=False))
    assert project.given(DB_MIGRATION_AHEAD="warn").db("migrate").returncode == 0


def test_what_is_out_of_the_ordinary_takes_the_ordinary_way(
    project: Project, database: Database
) -> None:
    assert not quickly(project.given(db_sslmode="verify-full"))  # pydantic reads it too
    configuration = project.path / "alembic.ini"
    configuration.write_text(
        configuration.read_text().replace(
            "[alembic]\n", "[alembic]\nversion_locations = %(here)s/migrations/versions\n"
        )
    )
    assert not quickly(project)
    assert project.db("migrate").returncode == 0
    configuration.write_text(configuration.read_text().replace("version_locations", "# v"))
    assert quickly(project)
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")
    assert not quickly(project)
    assert "heads" in said(project.db("migrate", ok=False))
    project.alembic("upgrade", "heads")
    project.alembic("merge", "heads", "-m", "Join them")
    project.db("migrate")
    assert quickly(project)


ELSEWHERE = {
    "with a colon": ("alembic.ini", "[alembic]\n", "[alembic]\nversion_locations: x\n"),
    "in capitals": ("alembic.ini", "[alembic]\n", "[alembic]\nVersion_Locations = x\n"),
    "commented out": (
        "alembic.ini",
        "script_location = ",
        "# script_location = %(here)s/migrations\nscript_location = %(here)s/../",
    ),
    "another database": ("alembic.ini", "/%(DB_NAME)s", "/other"),
    "in pyproject": ("pyproject.toml", "[tool.ruff]\n", "[tool.alembic]\nx = 1\n[tool.ruff]\n"),
    "in pyproject in another way": ("pyproject.toml", "[project]", "tool.alembic.x = 1\n[project]"),
    "by a default": ("alembic.ini", "[alembic]\n", "[DEFAULT]\nsourceless = true\n[alembic]\n"),
    "by another folder": ("alembic.ini", "[alembic]\n", "[DEFAULT]\nhere = /\n[alembic]\n"),
    "switched off": ("alembic.ini", "env_file = ", "# env_file = "),
    "another schema": ("alembic.ini", "env_file = ", "version_table_schema = s\nenv_file = "),
    "another name": ("alembic.ini", "env_file = ", "version_table = v\nenv_file = "),
}


@campaign(
    ("file", "old", "new"),
    ELSEWHERE,
    keep=["with a colon", "another database", "another name", "in pyproject"],
)
def test_a_history_or_a_database_elsewhere_is_not_overlooked(
    project: Project, file: str, old: str, new: str
) -> None:
    path = project.path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert not quickly(project)


def test_another_configuration_is_not_overlooked(project: Project, tmp_path: Path) -> None:
    assert quickly(project)
    assert not quickly(project.given(ALEMBIC_CONFIG=str(project.path / "alembic.ini")))
    (tmp_path / "alembic.ini").write_text("[alembic]\n")
    shown = project.run("python", "-c", QUICKLY, cwd=tmp_path).stdout
    assert shown == "False\n"


def test_a_comment_in_env_py_switches_nothing_off(project: Project) -> None:
    path = project.path / "migrations" / "env.py"
    path.write_text(f"# version_table, version_table_schema\n{path.read_text()}")
    assert quickly(project)


ENV_FILE = 'env_file=Path(__file__).resolve().parents[2] / ".env"'
MODEL_CONFIG = f"model_config = SettingsConfigDict({ENV_FILE})"
PARTING = {
    "another version table": (
        "migrations/env.py",
        "version_table_schema=project.schema",
        'version_table="v"',
        "keeps the version table in v, and [alembic_live] in",
    ),
    "another schema of it": (
        "migrations/env.py",
        "version_table_schema=project.schema",
        'version_table_schema="pg_temp"',
        "keeps the version table in pg_temp.alembic_version",
    ),
    "another database": (
        "migrations/env.py",
        "def configure(",
        "context.config.set_section_option('alembic', 'DB_NAME', 'postgres')\n\n\ndef configure(",
        "sqlalchemy.url differs",
    ),
    "another default": (
        "src/my_service/config.py",
        MODEL_CONFIG,
        f'DB_SSLMODE: Literal["disable"] = "disable"\n    {MODEL_CONFIG}',
        "the default of DB_SSLMODE differs",
    ),
    "other names": (
        "src/my_service/config.py",
        MODEL_CONFIG,
        f'model_config = SettingsConfigDict({ENV_FILE}, env_prefix="MY_")',
        "env_prefix of Settings differs",
    ),
    "another .env": (
        "src/my_service/config.py",
        '/ ".env"',
        '/ ".env.local"',
        "host, name differs",
    ),
}


@campaign(("file", "old", "new", "words"), PARTING, keep=["other names", "another .env"])
def test_every_other_command_refuses_where_the_quick_look_would_go_elsewhere(
    project: Project, database: Database, file: str, old: str, new: str, words: str
) -> None:
    path = project.path / file
    assert old in path.read_text()
    path.write_text(
        path.read_text()
        .replace(old, new)
        .replace("from pathlib", "from typing import Literal\nfrom pathlib")
    )
    environment = database.environment
    (project.path / ".env").write_text(f"DB_HOST=localhost\nDB_NAME={database.name}\n")
    (project.path / ".env.local").write_text("DB_HOST=127.0.0.1\nDB_NAME=postgres\n")
    project.environment.clear()
    for name in ("DB_PORT", "DB_USER", "DB_PASSWORD"):
        project.environment[name] = environment[name]
        project.environment[f"MY_{name}"] = environment[name]
    project.environment |= {"MY_DB_HOST": "127.0.0.1", "MY_DB_NAME": database.name}
    for command in ("current", "upgrade"):
        done = project.alembic(command, *(["head"] if command == "upgrade" else []), ok=False)
        text = " ".join(done.stderr.split())
        assert done.returncode != 0
        assert words in text
        assert "remove env_file from [alembic_live] in" in text
        assert "Traceback" not in text
    configuration = project.path / "alembic.ini"
    configuration.write_text(configuration.read_text().replace("env_file = ", "# env_file = "))
    assert project.alembic("current").returncode == 0
    assert not quickly(project)


MALFORMED = {
    "nothing": b"",
    "a short message": b"R\0\0\0\5\0",
    "a length below zero": b"R\xff\xff\xff\xff",
    "a huge message": b"R\x7f\xff\xff\xff" + b"x" * 100,
    "an error": b"E\0\0\0\5\0",
}


@campaign("answer", MALFORMED, keep=["a length below zero", "a huge message"])
def test_a_server_that_talks_nonsense_is_not_believed(
    project: Project, database: Database, answer: bytes
) -> None:
    talked = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def talk() -> None:
            client, _ = listening.accept()
            with client:
                talked.append(client.recv(1000))
                client.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        fake = replace(database, host="127.0.0.1", port=listening.getsockname()[1])
        assert not quickly(project.given(**fake.environment, DB_SSLMODE="disable"))
        thread.join()
    assert talked


def test_settings_from_files_of_secrets(
    project: Project, database: Database, tmp_path: Path
) -> None:
    for name, value in database.environment.items():
        (tmp_path / name).write_text(f"{value}\n")
    project.environment.clear()
    assert quickly(project.given(SECRETS_DIR=str(tmp_path)))
    assert not quickly(project.given(SECRETS_DIR=str(tmp_path), DB_NAME="nowhere"))


def test_migrations_may_have_an_address_and_a_role_of_their_own(
    project: Project, database: Database
) -> None:
    nowhere = replace(database, port=1, user="app", password="wrong")
    there = project.given(
        **nowhere.environment,
        DB_MIGRATION_PORT=str(database.port),
        DB_MIGRATION_USER=database.user,
        DB_MIGRATION_PASSWORD=database.password,
    )
    assert quickly(there)


@campaign(
    ("mode", "root", "quick", "encrypted"),
    [
        ("disable", None, True, False),
        ("prefer", None, True, True),
        ("require", None, True, True),
        ("verify-full", "its", True, True),
        ("verify-full", "another", False, False),
    ],
    keep=[
        ("prefer", None, True, True),
        ("verify-full", "its", True, True),
        ("verify-full", "another", False, False),
    ],
)
def test_tls(
    project: Project,
    database: Database,
    tmp_path: Path,
    mode: str,
    root: str | None,
    quick: bool,
    encrypted: bool,
) -> None:
    context, authority, another = server_context("localhost")
    settings = {"DB_SSLMODE": mode}
    if root:
        trusted = authority if root == "its" else another
        trusted.cert_pem.write_to_path(tmp_path / "root.crt")
        settings["DB_SSLROOTCERT"] = str(tmp_path / "root.crt")
    with proxy(database.host, database.port, context) as relay:
        through = replace(database, host="localhost", port=relay.port)
        assert quickly(project.given(**through.environment, **settings)) is quick
        assert (relay.encrypted > 0) == encrypted


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "psycopg2"])
def test_it_takes_few_round_trips_with_every_driver(
    project: Project, database: Database, driver: str
) -> None:
    settings = {} if driver == "asyncpg" else {"DB_DRIVER_SYNC": driver}
    with proxy(database.host, database.port) as relay:
        through = replace(database, port=relay.port)
        assert quickly(project.given(**through.environment, **settings))
    assert relay.round_trips <= 8


def test_settings_from_an_env_file(project: Project, database: Database) -> None:
    lines = [f"{name}='{value}'" for name, value in database.environment.items()]
    (project.path / ".env").write_text("\n".join(["# The database", *lines, "OTHER=1"]))
    project.environment.clear()
    assert quickly(project)
    assert not quickly(project.given(DB_NAME="nowhere"))  # the environment comes first


def test_a_database_at_several_revisions_or_another_takes_the_ordinary_way(
    project: Project, database: Database
) -> None:
    database.query("INSERT INTO alembic_version VALUES ('other')")
    assert not quickly(project)
    database.query("DELETE FROM alembic_version WHERE version_num <> 'other'")
    assert not quickly(project)
    database.query("DELETE FROM alembic_version")
    assert not quickly(project)


def test_a_table_that_is_locked_is_not_waited_for_long(
    project: Project, database: Database
) -> None:
    with database.connect() as other, other.transaction():
        other.execute("LOCK TABLE alembic_version")
        began = time.monotonic()
        assert not quickly(project)
        assert time.monotonic() - began < 60
