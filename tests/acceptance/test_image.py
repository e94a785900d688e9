"""The image's build, without Docker: the commands of its first stage, by hand, in a folder that is laid
out as the build context.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from project import ROOT, Finished, Project, clean_environment, run, said
from rendered import Render

pytestmark = pytest.mark.typed

WORKSPACE = (ROOT / "docs" / "how-to" / "workspace.md").read_text()


def build(dockerfile: str, context: Path, app: Path, ignored: str) -> Finished:
    """Do what the first stage does, until a command fails. Returns the last command.

    Args:
        dockerfile: its text.
        context: of the build.
        app: the folder that it works in.
        ignored: the text of .dockerignore.
    """
    first_stage = re.split(r"^FROM .*\n", dockerfile, flags=re.MULTILINE)[1]
    environment: dict[str, str] = {}
    patterns = [line.removeprefix("**/") for line in ignored.splitlines() if line[:1] != "#"]
    app.mkdir()
    done = None
    for line in re.sub(r"\\\n", "", first_stage).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "ENV":
            environment |= dict(pair.split("=") for pair in rest.split())
        elif instruction == "COPY":
            *sources, to = rest.split()
            copy(context, app, sources, to, patterns)
        elif instruction == "RUN" and "install" not in rest.split()[:2]:
            done = subprocess.run(
                ["sh", "-c", rest],
                cwd=app,
                check=False,
                capture_output=True,
                text=True,
                env=clean_environment() | environment | {"UV_COMPILE_BYTECODE": "0"},
            )
            if done.returncode != 0:
                break
    assert done
    return done


def copy(context: Path, app: Path, sources: list[str], to: str, ignored: list[str]) -> None:
    """What COPY copies of the context. Of a folder it copies what is in it."""
    ignore = shutil.ignore_patterns(*ignored)
    everything = sources == ["."]
    for path in [context] if everything else [p for each in sources for p in context.glob(each)]:
        if path.is_dir():
            shutil.copytree(path, app / to, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copy(path, app / to)


def build_project(project: Project, app: Path) -> Finished:
    """Build a project's image, the folder being the context."""
    ignored = (project.path / ".dockerignore").read_text()
    return build((project.path / "Dockerfile").read_text(), project.path, app, ignored)


def version(app: Path, package: str) -> str:
    """The version of a dependency in the image."""
    [found] = (app / ".venv").glob(f"lib/python*/site-packages/{package}-*.dist-info")
    return found.name.removeprefix(f"{package}-").removesuffix(".dist-info")


@pytest.fixture
def project(rendered: Render, tmp_path: Path) -> Project:
    """A project without a lock file."""
    return rendered(project_name="Orders").copy(tmp_path / "shop" / "orders")


def test_the_lock_file_decides_the_versions(project: Project, tmp_path: Path) -> None:
    run("uv", "lock", "--quiet", "--upgrade-package=tzdata<2025.2", cwd=project.path)
    done = build_project(project, app := tmp_path / "app")
    assert done.returncode == 0, said(done)
    locked = re.search(r'name = "tzdata"\nversion = "(.*)"', (project.path / "uv.lock").read_text())
    assert locked
    assert version(app, "tzdata") == locked[1]
    assert run(app / ".venv/bin/db", "history", cwd=app).stdout.startswith("<base> -> 5f0e1c2d3a4b")
    assert not any((app / ".venv").glob("lib/python*/site-packages/pytest"))
    assert not (app / "tests").exists()


def test_a_lock_file_that_is_not_current_stops_the_build(project: Project, tmp_path: Path) -> None:
    run("uv", "lock", "--quiet", cwd=project.path)
    path = project.path / "pyproject.toml"
    path.write_text(path.read_text().replace('"asyncpg>=', '"greenlet>=3",\n    "asyncpg>='))
    done = build_project(project, tmp_path / "app")
    assert done.returncode != 0
    assert "needs to be updated" in done.stderr


def test_a_build_without_a_lock_file_says_where_it_is(project: Project, tmp_path: Path) -> None:
    done = build_project(project, app := tmp_path / "app")
    assert done.returncode == 1
    assert "The build context has no uv.lock" in done.stderr
    assert "Run 'uv lock' and commit the file." in done.stderr
    assert "'uv sync --locked --no-dev --package orders'" in done.stderr
    assert not (app / ".venv").exists()


def test_the_image_of_a_member_of_a_workspace(
    project: Project, rendered: Render, tmp_path: Path
) -> None:
    shop = tmp_path / "workspace"
    shutil.copytree(project.path / "packages", shop / "packages")
    for name in ("Orders", "Billing"):
        rendered(project_name=name, vendor_library=False).copy(shop / name.lower())
    [root] = re.findall(r"```toml\n(.*?)```", WORKSPACE, re.DOTALL)
    (shop / "pyproject.toml").write_text(root)
    run("uv", "lock", "--quiet", cwd=shop)
    orders = Project(shop / "orders", "orders")
    (orders.path / ".env").write_text("DB_PASSWORD=secret\n")
    assert "at the workspace's root" in build_project(orders, tmp_path / "alone").stderr
    [dockerfile] = re.findall(r"```dockerfile\n(.*?)```", WORKSPACE, re.DOTALL)
    [ignored] = re.findall(r"<!-- file: .dockerignore -->\n```text\n(.*?)```", WORKSPACE, re.DOTALL)
    done = build(dockerfile, shop, app := tmp_path / "app", ignored)
    assert done.returncode == 0, said(done)
    [folder] = re.findall(r"^WORKDIR /app/(.+)$", dockerfile, re.MULTILINE)
    history = run(app / ".venv/bin/db", "history", cwd=app / folder).stdout
    assert history.startswith("<base> -> 5f0e1c2d3a4b")
    assert not any(app.glob(".venv/lib/python*/site-packages/billing-*"))
    assert not any(app.glob("*/.env"))


def test_the_tool_has_a_version(project: Project) -> None:
    for dockerfile in ((project.path / "Dockerfile").read_text(), WORKSPACE):
        assert re.search(r"^RUN pip install --no-cache-dir uv==\d+\.\d+\.\d+$", dockerfile, re.M)


def test_only_an_own_copy_of_the_library_is_copied(project: Project, rendered: Render) -> None:
    without = rendered(project_name="Orders", vendor_library=False)
    assert "COPY packages packages\n" in (project.path / "Dockerfile").read_text()
    assert "packages" not in (without.path / "Dockerfile").read_text()
