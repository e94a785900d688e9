"""The command line of `db`: which command it is, its help, and its exit codes."""

import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest
from alembic.util import CommandError
from alembic_live import ConfigurationError
from alembic_live.commands import main
from sqlalchemy.exc import OperationalError

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project whose alembic.ini names a module that is not there."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alembic.ini").write_text("[alembic_live]\nproject = nowhere_at_all:project\n")
    return tmp_path


def exit_code(*words: str) -> int:
    """That of the command, whichever way it ends."""
    try:
        return main.run(words)
    except SystemExit as ending:
        return int(ending.code or 0)


def test_without_a_command_the_help_is_shown(capsys: Captured) -> None:
    assert exit_code() == 2
    shown = capsys.readouterr().out
    for command, (_, line) in main.COMMANDS.items():
        assert command in shown
        assert " ".join(line.split()) in " ".join(shown.split())
    assert "db upgrade head" in shown


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_has_help_and_takes_nothing_else(command: str, capsys: Captured) -> None:
    assert exit_code(command, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: db {command}")
    assert exit_code(command, "x", "--nonsense") == 2
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize("command", main.COMMANDS)
def test_every_command_is_a_module_with_the_same_functions(command: str) -> None:
    module = import_module(f"alembic_live.commands.{main.COMMANDS[command][0]}")
    assert module.__doc__
    assert callable(module.add_arguments)
    assert callable(getattr(module, "run", None)) != callable(getattr(module, "run_in", None))


def test_only_the_module_of_the_command_is_imported() -> None:
    import subprocess

    program = (
        "import sys; from alembic_live.commands.main import run\n"
        "try:\n    run(['start', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in sys.modules if m.startswith('alembic_live.commands.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(
        ["alembic_live.commands.main", "alembic_live.commands.start"]
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), None),
        (("plan",), "plan"),
        (("-c", "x.ini", "plan", "head"), "plan"),
        (("--config", "x.ini", "--raiseerr", "plan"), "plan"),
        (("--config=x.ini", "plan"), "plan"),
        (("-x", "rename=a:b", "revision"), "revision"),
        (("-n", "other", "current"), "current"),
        (("-c",), None),
        (("--help",), None),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option(
    words: tuple[str, ...], command: str | None
) -> None:
    assert main._command_in(words) == command


def test_the_versions(capsys: Captured) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out.startswith("alembic-live ")


def test_an_unknown_command_is_wrong_usage(folder: Path, capsys: Captured) -> None:
    assert exit_code("nonsense") == 2
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "current"])  # ours and Alembic's
def test_a_project_that_is_not_there_is_a_sentence(
    folder: Path, capsys: Captured, command: str
) -> None:
    (folder / "alembic.ini").unlink()
    assert exit_code(command) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"FAILED: There is no alembic.ini in {folder} or above it.")
    assert exit_code("-c", "nothing.ini", "status") == 1
    assert capsys.readouterr().err == "FAILED: Config file nothing.ini does not exist.\n"


def test_the_file_may_be_named_by_a_variable(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEMBIC_CONFIG", "nothing.ini")
    assert exit_code("status") == 1
    assert capsys.readouterr().err == "FAILED: Config file nothing.ini does not exist.\n"


def test_a_folder_that_is_gone_is_a_sentence(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert exit_code("status") == 1
    assert capsys.readouterr().err == "FAILED: The current folder no longer exists.\n"


def test_an_error_is_a_sentence_on_stderr_or_a_traceback_if_asked(
    folder: Path, capsys: Captured
) -> None:
    assert exit_code("status") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("FAILED: ")
    assert "there is no module nowhere_at_all" in captured.err
    with pytest.raises(ConfigurationError):
        main.run(["--raiseerr", "status"])


def sentence(error: Exception) -> str | None:
    return main._sentence(error)


def test_which_errors_are_sentences() -> None:
    assert sentence(CommandError("x")) == "x"
    assert sentence(ConfigurationError("x")) == "x"
    assert sentence(PermissionError(13, "Permission denied", "f")) == "Permission denied: f"
    assert "connection" in (
        sentence(OperationalError("s", None, Exception("connection lost"))) or ""
    )
    assert sentence(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("text", "line"),
    [("hunter2\n[a]\n", "1"), ("[a]\nhunter2\n", "2"), ("[a]\nx=1\ny\nz\n", "3, 4")],
)
def test_a_line_of_alembic_ini_is_not_quoted(text: str, line: str) -> None:
    from configparser import ParsingError

    with pytest.raises(ParsingError) as refused:
        ConfigParser().read_string(text)
    said = sentence(refused.value)
    assert (
        said == f"alembic.ini cannot be read: line {line} is neither a [section] nor name = value."
    )


def test_the_exit_code_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_words: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "run", interrupt)
    monkeypatch.setattr(main, "stopped_by_signals", lambda: None)
    monkeypatch.setattr(sys, "argv", ["db", "status"])
    with pytest.raises(SystemExit) as ending:
        main.main()
    assert ending.value.code == 130
