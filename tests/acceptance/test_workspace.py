"""Two services in one uv workspace, as docs/how-to/workspace.md builds it: a command acts on the one in
whose folder it runs.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from campaigns import campaign
from documents import Page
from dotenv import dotenv_values
from edit import edit
from project import ROOT, Finished, Project, commit, run, said
from reader import Reader
from rendered import Render
from server import Database

pytestmark = pytest.mark.typed

GUIDE = ROOT / "docs" / "how-to" / "workspace.md"
SERVICES = ("orders", "billing")


class Workspace:
    """A uv workspace with two services in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

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
def workspace(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace that the page builds. Tests share it."""
    folder = tmp_path_factory.mktemp("workspace") / "work"
    folder.mkdir()
    reader = Reader(
        Page.read(GUIDE.name, GUIDE.read_text(encoding="utf-8")),
        folder,
        environment={"TEMPLATE": str(template)},
        rewritten=lambda text: text.replace("uvx copier", f"{sys.executable} -m copier"),
    )
    reader.read()
    commit(folder / "shop")
    return Workspace(folder / "shop")


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


@pytest.mark.full
def test_the_root_of_a_repository_has_the_checks_of_a_folder(workspace: Workspace) -> None:
    company = workspace.root.parent / "company"
    names = set()
    for name in ("ci", "template"):
        ours = yaml.safe_load((company / f".github/workflows/orders-{name}.yml").read_text())
        theirs = yaml.safe_load((company / f"orders/.github/workflows/{name}.yml").read_text())
        assert ours.pop("defaults") == {"run": {"working-directory": "orders"}}
        names.add(ours.pop("name"))
        branches = str(ours).count("orders-template-$version")
        assert branches == str(theirs).count("template-$version")
        theirs.pop("name")
        assert str(ours).replace("orders-template-$", "template-$") == str(theirs)
    assert names == {"orders CI", "orders Template"}
    assert (company / ".github/dependabot.yml").exists()

    hooks = yaml.safe_load((company / ".pre-commit-config.yaml").read_text())
    assert (hooks["files"], hooks["exclude"]) == ("^orders/", "^orders/packages/")
    entries = {hook["id"]: hook["entry"] for hook in hooks["repos"][0]["hooks"]}
    assert entries == {
        "ruff-check": "uv run --project orders ruff check --fix",  # gets files of the root
        "ruff-format": "uv run --project orders ruff format",
        "mypy": "uv run --directory orders mypy",
        "revisions": "uv run --directory orders db lint",
    }
    [lint] = [hook for hook in hooks["repos"][0]["hooks"] if hook["id"] == "revisions"]
    assert re.search(lint["files"], "orders/migrations/versions/2026_one.py")


def test_the_services_share_one_copy_of_the_library(workspace: Workspace) -> None:
    where = workspace.run(
        "python", "-c", "import alembic_live; print(alembic_live.__file__)"
    ).stdout
    assert where.startswith(f"{workspace.root}/packages/alembic-live/src/")
    for name in SERVICES:
        assert not (workspace.root / name / "packages").exists()
        assert not re.search(
            r"^\[tool\.uv\.sources\]", (workspace.root / name / "pyproject.toml").read_text(), re.M
        )


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
@pytest.mark.full
def test_a_configuration_that_is_named_decides(
    workspace: Workspace, databases: dict[str, Database], name: str
) -> None:
    [other] = set(SERVICES) - {name}
    for cwd in (workspace.root, workspace.root / other):
        ini = os.path.relpath(workspace.root / name / "alembic.ini", cwd)
        for words in (["-c", ini], [f"--config={ini}"]):
            shown = workspace.run("db", *words, "status", cwd=cwd).stdout
            assert f'database "{databases[name].name}"' in shown
            assert "(head)" in workspace.run("db", *words, "current", cwd=cwd).stdout
        shown = workspace.run("db", "status", cwd=cwd, ALEMBIC_CONFIG=ini).stdout
        assert f'database "{databases[name].name}"' in shown
        assert "(head)" in workspace.run("alembic", "-c", ini, "current", cwd=cwd).stdout


@pytest.mark.full
def test_outside_of_both_services_nothing_is_done(
    workspace: Workspace, databases: dict[str, Database], tmp_path: Path
) -> None:
    refused = [
        workspace.uv("run", "db", "reset", "--yes", ok=False),
        workspace.uv("run", "--package", "orders", "db", "reset", "--yes", ok=False),
        workspace.run("db", "reset", "--yes", cwd=tmp_path, ok=False),
        workspace.run("db", "migrate", ok=False),
        workspace.run("db", "upgrade", "head", ok=False),
        workspace.run("db", "-c", "nowhere.ini", "reset", "--yes", ok=False),
    ]
    for done in refused:
        assert done.returncode == 1
        assert re.match(r"FAILED: (There is no alembic\.ini in|Config file) ", done.stderr), said(
            done
        )
        assert "Traceback" not in said(done)
    assert [one.value("SELECT count(*) FROM notes") for one in databases.values()] == [1, 1]


def test_a_new_revision_is_recorded_in_its_own_service(workspace: Workspace) -> None:
    before = workspace.heads()
    workspace.run("alembic", "revision", "-m", "One", cwd=workspace.root / "orders")
    orders, billing = workspace.heads()
    assert orders != before[0]
    assert billing == before[1]
    workspace.run("db", "-c", "billing/alembic.ini", "revision", "-m", "One")
    assert workspace.heads()[0] == orders
    assert workspace.heads()[1] != billing


@pytest.mark.full
def test_lint_looks_at_the_revisions_of_its_own_service(workspace: Workspace) -> None:
    run("git", "switch", "--quiet", "--create", "mine", cwd=workspace.root)
    try:
        workspace.run("alembic", "revision", "-m", "Two", cwd=workspace.root / "orders")
        commit(workspace.root)
        looked_at = [
            workspace.run("db", "lint", cwd=workspace.root / name, ok=False).stdout
            for name in SERVICES
        ]
        assert ["_two.py" in text for text in looked_at] == [True, False]
    finally:
        run("git", "switch", "--quiet", "main", cwd=workspace.root)


@pytest.mark.full
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


@pytest.mark.full
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


@pytest.mark.full
def test_two_packages_of_one_name_are_not_mixed(
    workspace: Workspace, rendered: Render, server: Database, tmp_path: Path
) -> None:
    root = tmp_path / "shop"
    shutil.copytree(workspace.root / "packages", root / "packages")
    shutil.copy(workspace.root / "pyproject.toml", root)
    for name in SERVICES:
        service = rendered(
            project_name=name, project_slug=name, package_name="service", vendor_library=False
        )
        shutil.copytree(service.path, root / name)
    mixed = Workspace(root)
    mixed.uv("sync", "--all-packages")
    where = mixed.run("python", "-c", "import service; print(service.__file__)").stdout
    for name in SERVICES:
        with server.another(f"mixed_{name}_{os.getpid()}") as database:
            lines = [f"{key}='{value}'\n" for key, value in database.environment.items()]
            (root / name / ".env").write_text("".join(lines))
            mixed.run("alembic", "upgrade", "head", cwd=root / name)
            assert (
                f'database "{database.name}"' in mixed.run("db", "status", cwd=root / name).stdout
            )
            assert "(head)" in mixed.run("db", "current", cwd=root / name / "src").stdout
            mixed.run("db", "migrate", cwd=root / name)
        (root / name / "tests" / "test_where.py").write_text(
            "import service\n\n\ndef test_it() -> None:\n"
            f"    assert '/shop/{name}/src/' in str(service.__file__)\n"
        )
        mixed.run("pytest", "tests/test_where.py", cwd=root / name)
    assert sum(f"/shop/{name}/src/" in where for name in SERVICES) == 1  # the one that Python finds


def test_an_alembic_of_another_kind_is_refused(service: Project, tmp_path: Path) -> None:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("raise SystemExit('it was run')\n")
    (below := tmp_path / "below").mkdir()
    for cwd in (tmp_path, below):
        done = service.db("status", ok=False, cwd=cwd)
        assert done.returncode == 1
        assert f"{tmp_path / 'alembic.ini'} does not name the project. Add to it:" in done.stderr
        assert "it was run" not in said(done)


def test_another_configuration_of_a_project_is_served(
    service: Project, server: Database, tmp_path: Path
) -> None:
    project = service.copy(tmp_path / "service", **server.environment)
    (folder := project.path / "deploy").mkdir()
    (folder / "alembic.ini").write_text((project.path / "alembic.ini").read_text())
    edit(folder / "alembic.ini", "%(here)s/migrations", "%(here)s/../migrations")
    edit(folder / "alembic.ini", "%(here)s/src", "%(here)s/../src")
    assert server.name in project.db("status", cwd=folder).stdout
