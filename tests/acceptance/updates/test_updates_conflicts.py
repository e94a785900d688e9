"""Where both sides changed a line, a person chooses: in that file alone, and is told how."""

import shlex
from pathlib import Path

import pytest
from campaigns import campaign
from project import run
from releases import WITHOUT_LIBRARY, WORKING_TREE, Releases, Updatable

LATER = "999.1.0"


@pytest.fixture
def fork(releases: Releases, tmp_path: Path) -> Releases:
    """The template, of which a later release moves versions to another time zone."""
    fork = releases.fork(tmp_path / "fork")
    change(
        fork.repository / "template" / "alembic.ini.jinja",
        "timezone = UTC",
        "timezone = Asia/Tokyo",
    )
    [config] = fork.repository.glob("template/src/*/config.py.jinja")
    change(config, "settings = Settings.load()", "settings = Settings.load()  # once")
    fork.release(LATER)
    return fork


def change(path: Path, old: str, new: str) -> None:
    """Change a line of a file."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def commands_of(message: str) -> list[str]:
    """The commands that a message gives."""
    lines = [line.split("#")[0].strip() for line in message.splitlines() if line[:4] == " " * 4]
    return [line for line in lines if line.startswith(("git ", "uv "))]


@campaign("ignored", ["", "*.rej\n"], keep=["*.rej\n"])
def test_a_line_that_both_changed_is_a_conflict_in_that_file_alone(
    fork: Releases, ignored: str
) -> None:
    project = fork.made()
    change(project.path / "alembic.ini", "timezone = UTC", "timezone = Europe/Berlin")
    with (project.path / ".gitignore").open("a") as file:
        file.write(ignored)
    project.commit()
    done = project.update(LATER)
    assert project.conflicts() == {"alembic.ini": "UU"}
    assert (
        "<<<<<<< before updating\n"
        "timezone = Europe/Berlin\n"
        "=======\n"
        "timezone = Asia/Tokyo\n"
        ">>>>>>> after updating\n"
    ) in (project.path / "alembic.ini").read_text()
    assert not list(project.path.rglob("*.rej"))

    # The message's own commands find it, and find nothing once it is settled.
    status, check, *_ = commands_of(done.stderr)
    assert status == "git status"
    assert check == "git diff --check"
    shown = run(*status.split(), cwd=project.path)
    assert "both modified:   alembic.ini" in shown.stdout
    left = run(*check.split(), cwd=project.path, ok=False)
    assert left.returncode != 0
    assert {line.split(":")[0] for line in left.stdout.splitlines()} == {"alembic.ini"}
    settle(project, "alembic.ini", "timezone = Europe/Berlin\n")
    assert run(*check.split(), cwd=project.path).stdout == ""
    project.commit()
    project.update(LATER)
    assert project.git("status", "--porcelain") == ""


def settle(project: Updatable, path: str, choice: str) -> None:
    """Choose between the sides of the one conflict in a file, and tell git."""
    file = project.path / path
    before, rest = file.read_text().split("<<<<<<< before updating\n")
    after = rest.split(">>>>>>> after updating\n")[1]
    file.write_text(before + choice + after)
    project.git("add", path)


@pytest.mark.full
def test_rejected_lines_are_named(fork: Releases) -> None:
    project = fork.made()
    change(project.path / "alembic.ini", "timezone = UTC", "timezone = Europe/Berlin")
    project.edit(".gitignore", "", "*.rej\n")
    project.commit()
    done = project.update(LATER, "--conflict", "rej")
    [command] = [line for line in commands_of(done.stderr) if "rej" in line]
    assert run(*shlex.split(command), cwd=project.path).stdout == "alembic.ini.rej\n"
    assert "+timezone = Europe/Berlin" in project.read("alembic.ini.rej")


@pytest.mark.full
def test_rejected_lines_of_moved_files_go_along(releases: Releases, tmp_path: Path) -> None:
    project = releases.made(WITHOUT_LIBRARY).copy(tmp_path / "my-service")
    project.edit("src/my_service/migrate/apply.py", "", "\n# ours\n")
    project.edit("alembic.ini", "timezone = UTC", "timezone = Europe/Berlin")
    project.commit()
    done = project.update(WORKING_TREE, "--conflict", "rej")
    assert (project.library / "runtime" / "apply.py").read_text().endswith("\n# ours\n")
    assert [path.name for path in project.path.rglob("*.rej")] == ["alembic.ini.rej"]
    assert "delete the *.rej:\n  alembic.ini.rej\n" in done.stderr


@pytest.mark.full
def test_a_conflict_with_a_file_that_moved_into_another_stays(
    releases: Releases, tmp_path: Path
) -> None:
    project = releases.made(WITHOUT_LIBRARY).copy(tmp_path / "my-service")
    for old, new in (("The metadata that", "Our metadata that"), (" = MetaData(", " = ours(")):
        project.edit("src/my_service/database/metadata.py", old, new)
    project.commit()
    done = project.update()
    assert project.conflicts() == {"src/my_service/database/__init__.py": "UU"}
    text = project.read("src/my_service/database/__init__.py")
    assert "Our metadata that" in text
    assert "metadata = ours(" in text
    assert "successor" not in done.stderr
    assert not (project.source / "database" / "metadata.py").exists()


def test_a_setting_of_the_teams_has_no_conflict(fork: Releases) -> None:
    project = fork.made()
    last = "    model_config = SettingsConfigDict(env_file=ENV_FILE)\n"
    project.edit("src/my_service/config.py", last, f"{last}\n    PRICE: int = 7\n")
    project.commit()
    project.update(LATER)
    assert project.conflicts() == {}
    text = project.read("src/my_service/config.py")
    assert "    PRICE: int = 7\n" in text
    assert "settings = Settings.load()  # once\n" in text
