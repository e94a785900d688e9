"""What a project imports from where the machinery was goes on working, or is listed (updates/carry.py)."""

import ast
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from project import Finished, run, said
from releases import WITHOUT_LIBRARY, Releases, Updatable
from shared import made_once

REVISION = '''\
"""Index titles"""

from my_service.database.schema import SCHEMA
from my_service.migrate.operations import create_index_concurrently, drop_index_concurrently

revision = "abcabcabcabc"
down_revision = "5f0e1c2d3a4b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently("ix_notes_body", "notes", ["body"], schema=SCHEMA)


def downgrade() -> None:
    drop_index_concurrently("ix_notes_body", "notes", schema=SCHEMA)
'''

TABLES = '''\
"""Tables that are no models."""

from sqlalchemy import Column, Integer, Table

from ..metadata import metadata

tags = Table("tags", metadata, Column("id", Integer, primary_key=True))
'''

BILLING = '''\
"""What it costs."""

import my_service.migrate.connection
from my_service.database.address import Address
from my_service.migrate import databases, revision_files as files
from my_service.migrate.autogenerate import options
from my_service.migrate.connection import _loop_is_running
from my_service.paths import INVOICES, PROJECT_ROOT


def bill(address: Address) -> None:
    databases.drop(None, address.name)
    my_service.migrate.connection.with_connection(address.url("asyncpg"), print)
    print(files.read_revision_file(PROJECT_ROOT), options, _loop_is_running, INVOICES)
'''

TEST = '''\
"""Bills."""

from alembic import command
from my_service.database.address import Address
from my_service.migrate.command import run_command


def test_a_bill(empty_database: Address, run_name: str, monkeypatch: object) -> None:
    patch(monkeypatch, "my_service.migrate.cli.main")
    run_command(command.upgrade, "head")
    run_command(command.check, connection=None)
'''

WRITTEN = {
    "database/address.py": ["Address"],
    "database/metadata.py": ["metadata"],
    "database/schema.py": ["SCHEMA"],
    "migrate/__main__.py": ["main"],
    "migrate/command.py": ["run_command"],
    "migrate/connection.py": ["with_connection"],
    "migrate/databases.py": ["drop"],
    "migrate/git.py": ["main_branch"],
    "migrate/operations.py": ["create_index_concurrently", "drop_index_concurrently"],
    "migrate/revision_files.py": ["read_revision_file"],
}


@dataclass
class Update:
    """A project after an update, and what was said."""

    project: Updatable
    said: str

    def python(self, tools: Path, code: str) -> Finished:
        """Run some Python in the project."""
        path = f"{self.project.path / 'src'}:{self.project.library.parent}"
        environment = {"PYTHONPATH": path, "DB_NAME": "x"}
        return run(
            tools / "bin" / "python", "-c", code, cwd=self.project.path, environment=environment
        )


@pytest.fixture(scope="session")
def updated(releases: Releases, shared: Path) -> Update:
    """A project that imports from the machinery in many ways, updated. For looking at only."""
    made = releases.made(WITHOUT_LIBRARY)
    said_by_it = shared / "old-names.txt"

    def make(folder: Path) -> None:
        project = made.copy(folder)
        use_the_machinery(project)
        said_by_it.write_text(said(project.update()))

    folder = made_once(shared / "old-names", make)
    return Update(replace(made, path=folder), said_by_it.read_text())


def use_the_machinery(project: Updatable) -> None:
    """Import from the machinery in many ways, and commit."""
    source = "src/my_service"
    project.edit(f"{source}/paths.py", "", '\nINVOICES = PROJECT_ROOT / "invoices"\n')
    project.write("migrations/versions/2026_02_01_000000-abcabcabcabc_index.py", REVISION)
    project.write(f"{source}/database/models/tables.py", TABLES)
    project.write(f"{source}/billing.py", BILLING)
    project.write(f"{source}/migrate/ours/__init__.py", "from ..git import main_branch\n")
    project.write("tests/test_billing.py", TEST)
    project.write("Makefile", "migrate:\n\tuv run python -m my_service.migrate migrate\n")
    project.write("CODEOWNERS", f"/{source}/migrate/plan/ @databases\n")
    project.write("broken.py", "def f(:\n")
    project.edit(".gitignore", "", "packages/\n")
    gate = "def test_every_model_is_found() -> None:"
    text = project.read("tests/test_migrations.py")
    deleted = text[text.index(gate) : text.index("def test_the_models_and_the_migrations_agree")]
    project.edit("tests/test_migrations.py", deleted, "")
    project.edit(
        "migrations/env.py", "import apply, autogenerate", "import apply, pooler, autogenerate"
    )
    project.edit(
        "migrations/env.py", "transaction_per_migration=True", "transaction_per_migration=False"
    )
    project.commit()


def test_each_module_has_the_names_that_are_imported_and_no_others(updated: Update) -> None:
    for path, names in WRITTEN.items():
        text = (updated.project.source / path).read_text()
        [listed] = [
            ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ]
        assert listed == names, path
        assert f"\n  src/my_service/{path}, for " in updated.said
    team = {"migrate/__init__.py", "migrate/ours/__init__.py"}
    added_to_env = {"migrate/pooler.py"}
    found = {
        path.relative_to(updated.project.source).as_posix()
        for folder in (updated.project.migrate, updated.project.source / "database")
        for path in folder.glob("**/*.py")
        if path.parent.name != "models"
    }
    kept = {f"database/{name}.py" for name in ("__init__", "base", "engine", "session")}
    assert found == {*WRITTEN} | kept | team | added_to_env


def test_old_revisions_and_the_team_s_files_are_not_edited(updated: Update) -> None:
    revision = "migrations/versions/2026_02_01_000000-abcabcabcabc_index.py"
    assert updated.project.read(revision) == REVISION
    assert updated.project.read("src/my_service/billing.py") == BILLING
    assert updated.project.read("src/my_service/database/models/tables.py") == TABLES


@pytest.mark.full
def test_the_modules_can_be_imported_in_any_order(updated: Update, tools: Path) -> None:
    modules = [path.removesuffix(".py").replace("/", ".") for path in WRITTEN]
    for order in (modules, modules[::-1]):
        code = "".join(f"import my_service.{module}\n" for module in order)
        updated.python(
            tools,
            f"{code}from my_service.database import metadata, project\n"
            "from my_service.database.metadata import metadata as old\n"
            "from my_service.database.base import Base\n"
            "import my_service.database.models.tables\n"
            "assert old is metadata is Base.metadata is project.metadata, metadata\n"
            "assert 'tags' in metadata.tables\n"
            "from my_service.migrate.operations import drop_index_concurrently as drop\n"
            "import alembic_live.operations\n"
            "assert drop is alembic_live.operations.drop_index_concurrently\n"
            "from my_service.paths import PROJECT_ROOT\n"
            f"assert str(PROJECT_ROOT) == {str(updated.project.path)!r}\n"
            "from my_service.migrate.git import main_branch\n"
            "assert main_branch() in (None, 'main')\n",
        )


def test_a_module_runs_as_a_program_where_a_script_does_so(updated: Update, tools: Path) -> None:
    done = updated.python(
        tools,
        "import runpy, sys\nsys.argv = ['x', 'heads']\n"
        "runpy.run_module('my_service.migrate', run_name='__main__')\n",
    )
    assert "abcabcabcabc (head)" in said(done)


@pytest.mark.parametrize(
    "line",
    [
        "src/my_service/billing.py:6: my_service.migrate.autogenerate.options: "
        "alembic_live.options takes other arguments",
        "src/my_service/billing.py:7: my_service.migrate.connection._loop_is_running: it has no successor",
        "src/my_service/billing.py:13: Address.url: it is gone, or takes other arguments",
        'tests/test_billing.py:10: run_command(command.upgrade, "head"): it acts on the fixture',
        "tests/test_billing.py:8: run_name",
        "tests/test_billing.py:9: my_service.migrate.cli.main",
        "CODEOWNERS:1: my_service.migrate.plan",
        "broken.py",
        "packages/alembic-live/",
        "tests/test_migrations.py: test_every_model_is_found",
    ],
)
def test_what_has_to_be_looked_at_is_listed(updated: Update, line: str) -> None:
    assert f"\n  {line}" in updated.said


def test_what_works_is_not_listed(updated: Update) -> None:
    assert "tests/test_billing.py:11:" not in updated.said
    assert "Makefile:" not in updated.said


def test_the_summary_fits_on_a_screen(updated: Update) -> None:
    begin = updated.said.index("2.0.0 moves the machinery")
    end = updated.said.index("\n\n", updated.said.index("- Revisions"))
    assert updated.said.count("\n", begin, end) < 12
    assert all(len(line) <= 100 for line in updated.said[begin:end].splitlines())


def test_what_the_team_added_to_a_module_stays_in_it(updated: Update) -> None:
    text = updated.project.read("src/my_service/paths.py")
    assert 'INVOICES = PROJECT_ROOT / "invoices"\n' in text
    assert text.count("PROJECT_ROOT = ") == 1


def test_a_file_that_has_a_conflict_gets_what_the_team_added(updated: Update) -> None:
    assert updated.project.conflicts() == {
        "migrations/env.py": "UU",
    }


@pytest.mark.full
def test_without_the_library_s_source_the_old_names_work_as_well(
    releases: Releases, tmp_path: Path
) -> None:
    project = releases.made(WITHOUT_LIBRARY).copy(tmp_path / "my-service")
    project.write("migrations/versions/2026_02_01_000000-abcabcabcabc_index.py", REVISION)
    project.commit()
    done = project.update("999.0.0", "--data=vendor_library=false")
    assert not (project.path / "packages").exists()
    assert "pyproject.toml depends on it" in said(done)
    assert "from alembic_live.operations import" in project.read(
        "src/my_service/migrate/operations.py"
    )
