"""Logs: as JSON with a record for each event, quiet, without sections in alembic.ini, and in a program."""

import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
from alembic.command import upgrade
from alembic.util import CommandError
from alembic_live import run_command
from edit import edit
from first_process import Running
from in_process import InProcess
from migrating import busy
from project import PATIENCE, Finished, Project, wait_until
from revisions import write_upgrade
from sample import NewProject
from server import Database
from traffic import long_transaction

NOTES = "5f0e1c2d3a4b"  # the revision of the sample


@pytest.fixture
def project(new_project: NewProject) -> Project:
    project = new_project()
    project.alembic("upgrade", "head")
    return project


def entries(text: str) -> list[dict[str, Any]]:
    """Every line is one."""
    return [json.loads(line) for line in text.splitlines()]


def events(text: str) -> list[str]:
    return [found["event"] for found in entries(text) if "event" in found]


def assert_failed(found: dict[str, Any], project: Project) -> None:
    path = project.file("migrations/versions/*_by_hand.py")
    assert found["level"] == "ERROR"
    assert found["event"] == "failed"
    assert found["sqlstate"] == "22012"
    assert found["statement"] == "SELECT 1/0"
    assert found["direction"] == "upgrade"
    assert found["file"] == str(path)
    assert "1/0" in path.read_text().splitlines()[found["line"] - 1]
    assert "division by zero" in found["message"]


def test_a_failure_as_json(project: Project) -> None:
    write_upgrade(project, '    op.execute("SELECT 1/0")\n')
    for command in (["migrate"], ["upgrade", "head"]):
        done = project.db("--log-format", "json", *command, ok=False)
        assert done.returncode == 1
        assert done.stdout == ""
        assert events(done.stderr) == ["started", "failed"]
        assert_failed(entries(done.stderr)[-1], project)
    # The same with a formatter in alembic.ini, for both programs.
    formatter = "[formatter_generic]\n"
    edit(
        project.path / "alembic.ini", formatter, f"{formatter}class = alembic_live.JsonFormatter\n"
    )
    done = project.alembic("upgrade", "head", ok=False)
    assert done.returncode == 255
    assert done.stdout == ""
    assert_failed(entries(done.stderr)[-1], project)
    assert_failed(entries(project.db("migrate", ok=False).stderr)[-1], project)


def test_other_failures_as_json(project: Project) -> None:
    write_upgrade(project, '    raise RuntimeError("a bug\\n")\n')
    done = project.db("--log-format=json", "migrate", ok=False)
    last = entries(done.stderr)[-1]
    assert last["message"] == "RuntimeError: a bug\n"
    assert "Traceback" in last["traceback"]
    there = project.given(DB_PORT="1")
    done = there.db("--log-format=json", "migrate", ok=False)
    assert "Connection refused" in entries(done.stderr)[-1]["message"]
    done = project.db("--log-format=xml", "upgrade", "head", ok=False)
    assert done.returncode == 2
    assert "invalid choice: 'xml'" in done.stderr


def test_waits_and_retries_as_json(project: Project, database: Database) -> None:
    write_upgrade(project, '    op.execute("ALTER TABLE notes ADD COLUMN pages int")\n')
    project = project.given(DB_MIGRATION_LOCK_WAIT="1")
    with long_transaction(database) as pid:
        migrating = project.begin("db", "--log-format", "json", "migrate")
        assert migrating.stdout
        lines: list[str] = []
        while "retrying" not in (lines or [""])[-1]:
            lines.append(migrating.stdout.readline())
    text = "".join(lines) + migrating.communicate(timeout=PATIENCE)[0]
    assert events(text) == ["started", "waiting", "retrying", "started", "finished"]
    waiting, retrying = (
        entries(text)[events(text).index(each) - 5] for each in ("waiting", "retrying")
    )
    assert waiting["what"] == '"notes"'
    assert waiting["holders"].startswith(f"pid {pid} (reporting")
    assert waiting["remedy"].endswith(f"SELECT pg_terminate_backend({pid});")
    assert waiting["revision"] == retrying["revision"] == entries(text)[-1]["revision"]
    assert (retrying["attempt"], retrying["tries"], retrying["sqlstate"]) == (2, 11, "55P03")


def test_a_signal_as_json(project: Project, database: Database) -> None:
    write_upgrade(project, '    op.execute("SELECT pg_sleep(60)")\n')
    running = Running(project, "db", "--log-format", "json", "migrate", first=False)
    wait_until(lambda: busy(database, "pg_sleep"))
    code, text, _ = running.stop(signal.SIGTERM)
    assert code == 143
    assert entries(text)[-1]["event"] == "stopped"
    assert entries(text)[-1]["message"].startswith("Stopped by SIGTERM.")


def test_quiet(project: Project) -> None:
    def said(*words: str, ok: bool = True) -> str:
        done: Finished = project.db(*words, ok=ok)
        return done.stdout + done.stderr

    assert said("-q", "migrate") == ""
    project.alembic("downgrade", "base")
    assert said("-q", "migrate") == ""
    assert said("-q", "downgrade", "base") == ""
    assert said("--quiet", "upgrade", "head") == ""
    write_upgrade(project, '    op.execute("SELECT 1/0")\n')
    assert said("-q", "migrate", ok=False).count("division by zero") == 1


def test_an_ini_without_logging_sections(project: Project) -> None:
    path = project.path / "alembic.ini"
    text = path.read_text()
    path.write_text(text.partition("[loggers]")[0])
    done = project.alembic("downgrade", "base")
    assert "INFO  [alembic.migrations] Finished downgrade" in done.stderr
    assert "plugins" not in done.stderr
    done = project.db("--log-format", "json", "upgrade", "head")
    assert events(done.stderr) == ["started", "finished"]
    path.write_text(text.replace("keys = generic", "keys = generic, missing"))
    done = project.db("downgrade", "base", ok=False)
    assert done.returncode == 1
    assert "there is no 'formatter_missing'. Correct them, or remove all of them" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_finds_each_event_in_its_own_logging(
    in_process: InProcess, caplog: pytest.LogCaptureFixture
) -> None:
    project = in_process()
    caplog.set_level(logging.INFO, logger="alembic")
    run_command(project, upgrade, "head")
    versions = Path(project.script.versions)
    (versions / "2_fails.py").write_text(
        f'"""Fails"""\nfrom alembic import op\nrevision = "fails"\ndown_revision = "{NOTES}"\n\n\n'
        'def upgrade() -> None:\n    op.execute("SELECT 1/0")\n'
    )
    with pytest.raises(CommandError):
        run_command(project, upgrade, "head")
    found = [vars(each) for each in caplog.records if hasattr(each, "event")]
    assert [(each["event"], each["revision"]) for each in found] == [
        ("started", NOTES), ("finished", NOTES), ("started", "fails"), ("failed", "fails"),
    ]  # fmt: skip
    assert found[1]["seconds"] < 60
    assert (found[3]["sqlstate"], found[3]["line"]) == ("22012", 8)
