"""Settings: where they come from, and what is said when one is missing or wrong."""

import json
from pathlib import Path

import pytest
from campaigns import campaign
from project import Project, said

SETTINGS = {
    "DB_HOST": "h",
    "DB_PORT": "1",
    "DB_USER": "u",
    "DB_PASSWORD": "s3cr3t-p%ss",
    "DB_NAME": "n",
}
COMMANDS = [("alembic", "current"), ("db", "current"), ("db", "status")]
SHOW = (
    "import json; from my_service.config import settings as s; "
    "print(json.dumps([s.DB_HOST, s.DB_PORT, s.DB_USER, s.DB_PASSWORD.get_secret_value(), "
    "s.DB_NAME, s.DB_DRIVER_ASYNC, s.DB_DRIVER_SYNC, s.DB_SSLMODE]))"
)


@pytest.fixture(scope="module")
def project(service: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without settings, whose .env the tests write."""
    project = service.copy(tmp_path_factory.mktemp("settings") / "my-service")
    project.run("true")
    return project


@pytest.fixture(autouse=True)
def no_settings(project: Project) -> None:
    """Each test begins without a .env."""
    (project.path / ".env").unlink(missing_ok=True)


def test_importing_everything_needs_no_settings(project: Project) -> None:
    modules = [
        path.relative_to(project.path / "src").with_suffix("").as_posix().replace("/", ".")
        for path in (project.path / "src").rglob("*.py")
    ]
    project.run("python", "-W", "error", "-c", f"import {', '.join(modules)}")


def test_the_environment_comes_before_env_before_secrets(project: Project, tmp_path: Path) -> None:
    for name in SETTINGS:
        (tmp_path / name).write_text(f"{SETTINGS[name]}\n")
    secrets = {"SECRETS_DIR": str(tmp_path)}
    shown = json.loads(project.given(**secrets).run("python", "-c", SHOW).stdout)
    assert shown == ["h", 1, "u", "s3cr3t-p%ss", "n", "asyncpg", "", "prefer"]

    (project.path / ".env").write_text("DB_HOST=from-env-file\nDB_USER=from-env-file\n")
    shown = json.loads(
        project.given(**secrets, DB_USER="from-env").run("python", "-c", SHOW).stdout
    )
    assert shown[:3] == ["from-env-file", 1, "from-env"]


def test_secret_files_may_have_lower_case_names(project: Project, tmp_path: Path) -> None:
    (tmp_path / "db_host").write_text("h")
    shown = json.loads(project.given(SECRETS_DIR=str(tmp_path)).run("python", "-c", SHOW).stdout)
    assert shown[0] == "h"


def test_an_empty_value_is_none_at_all(project: Project) -> None:
    (project.path / ".env").write_text("DB_PORT=7\nDB_SSLMODE=require\n")
    shown = json.loads(project.given(DB_PORT="", DB_SSLMODE="").run("python", "-c", SHOW).stdout)
    assert (shown[1], shown[7]) == (7, "require")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        (["DB_NAME"], "DB_NAME is not set"),
        (["DB_HOST", "DB_PASSWORD"], "DB_HOST and DB_PASSWORD are not set"),
        (list(SETTINGS), "DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME are not set"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_missing_settings_are_named_in_one_sentence(
    project: Project, command: tuple[str, str], missing: list[str], named: str
) -> None:
    given = {name: value for name, value in SETTINGS.items() if name not in missing}
    done = project.given(**given).run(*command, ok=False)
    assert done.returncode != 0
    assert named in " ".join(said(done).split())
    assert "uv run db start" in said(done)
    assert "Traceback" not in said(done)
    assert SETTINGS["DB_PASSWORD"] not in said(done)


@pytest.mark.parametrize(
    ("setting", "value", "explained"),
    [  # tests/unit/test_settings.py has them all
        (
            "DB_PORT",
            "abc",
            "DB_PORT: it takes a number from 1 to 65535, or several with commas. Correct it",
        ),
        ("DB_HOST", "https://u:s3cr3t-p%ss@h/x", "DB_HOST: it takes a host name, an IP address"),
        ("SECRETS_DIR", "/nowhere", "SECRETS_DIR is /nowhere, which is not a folder"),
        ("DB_SSLMODE", "verify-ca", "needs DB_SSLROOTCERT"),
        ("DB_DRIVER_SYNC", "psycopg2", "uv add 'psycopg2-binary'"),
    ],
)
@campaign("command", COMMANDS, keep=[("db", "status")])
def test_wrong_settings_are_named_without_their_value(
    project: Project, command: tuple[str, str], setting: str, value: str, explained: str
) -> None:
    done = project.given(**SETTINGS | {setting: value}).run(*command, ok=False)
    assert done.returncode != 0
    assert explained in " ".join(said(done).split())
    assert "Traceback" not in said(done)
    assert SETTINGS["DB_PASSWORD"] not in said(done)


def test_a_root_certificate_that_cannot_be_read_is_named(project: Project) -> None:
    settings = SETTINGS | {"DB_SSLMODE": "verify-full", "DB_SSLROOTCERT": "/nowhere/root.crt"}
    done = project.given(**settings).alembic("current", ok=False)
    assert "DB_SSLROOTCERT is /nowhere/root.crt" in " ".join(said(done).split())
    assert "Traceback" not in said(done)


def test_an_env_file_that_is_no_text_is_named(project: Project) -> None:
    (project.path / ".env").write_bytes(b"DB_HOST=\xff\xfe\n")
    done = project.alembic("current", ok=False)
    assert ".env cannot be read" in said(done)
    assert "Traceback" not in said(done)


def test_the_application_names_what_it_misses(project: Project) -> None:
    use = (
        "import asyncio\n"
        "from my_service.database.session import session\n"
        "async def main():\n"
        "    async with session(): pass\n"
        "asyncio.run(main())"
    )
    done = project.given(DB_HOST="h").run("python", "-c", use, ok=False)
    assert done.returncode == 1
    assert "ConfigurationError: DB_PORT, DB_USER, DB_PASSWORD and DB_NAME are not set" in said(done)


def test_the_password_is_shown_nowhere(project: Project) -> None:
    show = (
        "from my_service.config import settings as s\n"
        "print(s, repr(s), s.address, repr(s.address), s.address.url)\n"
        "print(repr(s.model_dump()), s.model_dump_json())"
    )
    assert SETTINGS["DB_PASSWORD"] not in said(project.given(**SETTINGS).run("python", "-c", show))


def test_an_error_of_pydantic_s_own_shows_no_value(project: Project) -> None:
    wrong = "from my_service.config import Settings\nSettings(DB_PASSWORD=['s3cret'])"
    done = project.given(**SETTINGS).run("python", "-c", wrong, ok=False)
    assert "ValidationError" in said(done)
    shown = said(done)
    for line in wrong.splitlines():  # Python 3.13 shows them in a traceback
        shown = shown.replace(line, "")
    assert "s3cret" not in shown


def test_the_settings_of_another_folder_are_not_read(project: Project, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DB_HOST=elsewhere\n")
    shown = json.loads(project.run("python", "-c", SHOW, cwd=tmp_path).stdout)
    assert shown[0] == ""
