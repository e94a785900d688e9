"""Two services in one uv workspace: a command acts on the one in whose folder it runs."""

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import campaign
from conftest import Render
from dotenv import dotenv_values
from project import Finished, Project, run, said
from server import Database

pytestmark = pytest.mark.typed

SERVICES = ("orders", "billing")


class Workspace:
    """A uv workspace with two services in it."""

    def __init__(self, root: Path, projects: list[Project]) -> None:
        self.root = root
        for name, project in zip(SERVICES, projects, strict=True):
            shutil.copytree(project.path, root / name)
        (root / "pyproject.toml").write_text(
            f"[tool.uv.workspace]\nmembers = [{', '.join(map(repr, SERVICES))}]\n"
        )
        self.uv("sync", "--all-packages")
        self.uv("sync", "--all-packages", "--reinstall-package", SERVICES[-1])

    def uv(self, *words: str, cwd: Path | None = None, ok: bool = True) -> Finished:
        """`uv …`, at the root or in another folder."""
        return run("uv", words[0], "--quiet", *words[1:], cwd=cwd or self.root, ok=ok)

    def run(self, *words: str, cwd: Path | None = None, ok: bool = True, **env: str) -> Finished:
        """A program of the environment, at the root or in another folder."""
        program = self.root / ".venv" / "bin" / words[0]
        return run(program, *words[1:], cwd=cwd or self.root, ok=ok, environment=env)

    def heads(self) -> list[str]:
        """What the services have in head.txt."""
        return [(self.root / name / "migrations" / "head.txt").read_text() for name in SERVICES]


@pytest.fixture(scope="module")
def workspace(rendered: Render, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace that tests share. The script `db` in it is billing's."""
    services = [
        rendered(project_name=name, project_slug=name, package_name=name) for name in SERVICES
    ]
    workspace = Workspace(tmp_path_factory.mktemp("workspace") / "shop", services)
    script = (workspace.root / ".venv" / "bin" / "db").read_text()
    assert "from billing.migrate.__main__ import main" in script
    return workspace


@pytest.fixture
def databases(workspace: Workspace, server: Database) -> Iterator[dict[str, Database]]:
    """A database of each service, at the newest revision, which its .env leads to."""
    with (
        server.another(f"orders_{os.getpid()}") as orders,
        server.another(f"billing_{os.getpid()}") as billing,
    ):
        found = {"orders": orders, "billing": billing}
        for name, database in found.items():
            lines = [f"{key}='{value}'\n" for key, value in database.environment.items()]
            (workspace.root / name / ".env").write_text("".join(lines))
            workspace.run("alembic", "upgrade", "head", cwd=workspace.root / name)
            database.query("INSERT INTO notes (title) VALUES ('kept')")
        yield found
        for name in found:
            (workspace.root / name / ".env").unlink()


def assert_names_both(done: Finished, workspace: Workspace, *words: str) -> list[list[str]]:
    """The command was refused and names both projects. Returns the commands that it gives."""
    assert done.returncode == 1
    assert "Traceback" not in said(done)
    first, *lines = done.stderr.splitlines()
    commands = [shlex.split(line) for line in lines]
    folders = {command[command.index("--directory") + 1] for command in commands}
    assert folders == {str(workspace.root / name) for name in SERVICES}
    for command in commands:
        assert command[-len(words) - 1 :] == ["db", *words]
    assert first.startswith(("FAILED: ", "migrations/head.txt was not written: "))
    return commands


@campaign("name", SERVICES, keep=["orders"])
def test_a_command_acts_on_the_service_of_its_folder(
    workspace: Workspace, databases: dict[str, Database], name: str
) -> None:
    [other] = set(SERVICES) - {name}
    project = workspace.root / name
    for cwd in (project, project / "src", project / "migrations" / "versions"):
        shown = workspace.uv("run", "db", "status", cwd=cwd).stdout
        assert f'database "{databases[name].name}"' in shown
    workspace.run("db", "reset", "--yes", cwd=project)
    assert databases[name].value("SELECT count(*) FROM notes") == 0
    workspace.run("db", "downgrade", "base", cwd=project / "src")
    workspace.run("db", "migrate", cwd=project)
    assert databases[name].value("SELECT count(*) FROM notes") == 0
    assert databases[other].value("SELECT count(*) FROM notes") == 1


@campaign("name", SERVICES, keep=["orders"])
def test_a_configuration_that_is_named_decides(
    workspace: Workspace, databases: dict[str, Database], name: str
) -> None:
    [other] = set(SERVICES) - {name}
    for cwd in (workspace.root, workspace.root / other):
        ini = os.path.relpath(workspace.root / name / "alembic.ini", cwd)
        for words in (["-c", ini], [f"--config={ini}"]):
            shown = workspace.run("db", *words, "status", cwd=cwd).stdout
            assert f'database "{databases[name].name}"' in shown
        shown = workspace.run("db", "status", cwd=cwd, ALEMBIC_CONFIG=ini).stdout
        assert f'database "{databases[name].name}"' in shown
        assert "(head)" in workspace.run("alembic", "-c", ini, "current", cwd=cwd).stdout


def test_outside_of_both_services_both_are_named(
    workspace: Workspace, databases: dict[str, Database], tmp_path: Path
) -> None:
    refused = [
        workspace.uv("run", "db", "reset", "--yes", ok=False),
        workspace.uv("run", "--package", "orders", "db", "reset", "--yes", ok=False),
        workspace.run("db", "reset", "--yes", cwd=tmp_path, ok=False),
    ]
    for done in refused:
        commands = assert_names_both(done, workspace, "reset", "--yes")
    assert_names_both(workspace.run("db", "migrate", ok=False), workspace, "migrate")
    assert [one.value("SELECT count(*) FROM notes") for one in databases.values()] == [1, 1]
    for number, command in enumerate(commands, 1):
        run(*command, cwd=tmp_path)
        left = sum(one.value("SELECT count(*) FROM notes") for one in databases.values())
        assert left == len(databases) - number


def test_a_package_that_is_named_is_that_of_the_folder(
    workspace: Workspace, databases: dict[str, Database]
) -> None:
    words = ("python", "-m", "orders.migrate")
    for cwd in (workspace.root, workspace.root / "orders", workspace.root / "orders" / "src"):
        assert databases["orders"].name in workspace.run(*words, "status", cwd=cwd).stdout
    billing = workspace.root / "billing"
    done = workspace.run(*words, "reset", "--yes", cwd=billing, ok=False)
    assert_names_both(done, workspace, "reset", "--yes")
    ini = "billing/alembic.ini"
    done = workspace.run(*words, "-c", ini, "reset", "--yes", ok=False)
    assert_names_both(done, workspace, "reset", "--yes")
    assert [one.value("SELECT count(*) FROM notes") for one in databases.values()] == [1, 1]


def test_a_new_revision_is_recorded_in_its_own_service(workspace: Workspace) -> None:
    before = workspace.heads()
    workspace.run("alembic", "revision", "-m", "One", cwd=workspace.root / "orders")
    orders, billing = workspace.heads()
    assert orders != before[0]
    assert billing == before[1]
    workspace.run("alembic", "-c", "billing/alembic.ini", "revision", "-m", "One")
    assert workspace.heads()[0] == orders
    assert workspace.heads()[1] != billing


def test_the_settings_of_a_parent_folder_are_not_read(workspace: Workspace) -> None:
    (workspace.root / ".env").write_text(
        "DB_HOST=127.0.0.1\nDB_PORT=1\nDB_USER=a\nDB_PASSWORD=b\nDB_NAME=parent\n"
    )
    try:
        for name in SERVICES:
            project = workspace.root / name
            for words in (("db", "status"), ("db", "migrate"), ("alembic", "current")):
                done = workspace.run(*words, cwd=project, ok=False)
                missing = "DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME are not set"
                assert missing in said(done)
                assert f"in {project / '.env'} (" in said(done)
    finally:
        (workspace.root / ".env").unlink()


def test_each_service_has_its_own_server(workspace: Workspace) -> None:
    orders, billing = (workspace.root / name for name in SERVICES)
    try:
        workspace.run("db", "start", cwd=orders / "src")
        assert dotenv_values(orders / ".env")["DB_NAME"] == "orders"
        assert not any(billing.glob(".postgres*"))
        assert not (billing / ".env").exists()
        assert "was not running" in workspace.run("db", "stop", cwd=billing).stderr
        assert "is stopped" in workspace.run("db", "stop", cwd=orders).stderr
    finally:
        workspace.run("db", "stop", cwd=orders)
        shutil.rmtree((orders / ".postgres").resolve())
        for path in (*orders.glob(".postgres*"), *billing.glob(".postgres*"), orders / ".env"):
            path.unlink(missing_ok=True)


def test_two_packages_of_one_name_are_not_mixed(
    rendered: Render, server: Database, tmp_path: Path
) -> None:
    services = [
        rendered(project_name=name, project_slug=name, package_name="service") for name in SERVICES
    ]
    workspace = Workspace(tmp_path / "shop", services)
    where = workspace.run("python", "-c", "import service; print(service.__file__)").stdout
    [found] = [name for name in SERVICES if f"/shop/{name}/src/" in where]
    [hidden] = set(SERVICES) - {found}
    with server.another(f"hidden_{os.getpid()}") as database:
        lines = [f"{key}='{value}'\n" for key, value in database.environment.items()]
        (workspace.root / hidden / ".env").write_text("".join(lines))
        workspace.run("alembic", "upgrade", "head", cwd=workspace.root / hidden)
        assert database.value("SELECT count(*) FROM notes") == 0
        done = workspace.run("db", "status", cwd=workspace.root / hidden, ok=False)
        first, _ = assert_names_both(done, workspace, "status")
        assert f'database "{database.name}"' in run(*first, cwd=tmp_path).stdout
        written = workspace.run("alembic", "revision", "-m", "One", cwd=workspace.root / hidden)
        assert "head.txt was not written" in written.stderr
    (workspace.root / hidden / "tests" / "test_where.py").write_text(
        "import service\n\n\ndef test_it() -> None:\n"
        f"    assert '/shop/{hidden}/src/' in str(service.__file__)\n"
    )
    workspace.run("pytest", "tests/test_where.py", cwd=workspace.root / hidden)


def test_another_project_s_folder_is_not_served(service: Project, tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("raise SystemExit('it was run')\n")
    (below := tmp_path / "below").mkdir()
    for cwd in (tmp_path, below):
        for words in (("status",), ("upgrade", "head"), ("migrate",)):
            done = service.db(*words, ok=False, cwd=cwd)
            assert done.returncode == 1
            assert f"{cwd} is in the project {tmp_path}, which Python does not find" in done.stderr
            assert f"uv run --directory {service.path} db {' '.join(words)}" in done.stderr
            assert "it was run" not in said(done)


def test_one_service_alone_is_served_from_anywhere(
    service: Project, server: Database, tmp_path: Path
) -> None:
    project = service.given(**server.environment)
    assert server.name in project.db("status", cwd=tmp_path).stdout
    # Another configuration of the same project, in a folder below.
    (folder := service.path / "deploy").mkdir()
    try:
        ini = (service.path / "alembic.ini").read_text()
        (folder / "alembic.ini").write_text(ini.replace("%(here)s", "%(here)s/.."))
        assert server.name in project.db("status", cwd=folder).stdout
    finally:
        shutil.rmtree(folder)
