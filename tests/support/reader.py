"""A person who reads a page of documentation and does what it says."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import prefork
from documents import Examples, Page, PageError, Step, printed
from programs import program
from project import PATIENCE, clean_environment
from server import Database

ENVIRONMENT = {
    **{f"GIT_{role}_NAME": "Ada" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")},
    "PYTHONUNBUFFERED": "1",  # standard output and error come in the order of a terminal
    "UV_NO_PROGRESS": "1",
}

LIBPQ = {"HOST": "HOST", "PORT": "PORT", "USER": "USER", "PASSWORD": "PASSWORD", "DATABASE": "NAME"}


class Reader:
    """A person who does what a page says. A command that changes the folder changes it for the next."""

    def __init__(
        self,
        page: Page,
        folder: Path,
        *,
        database: Database | None = None,
        tools: Path | None = None,
        environment: dict[str, str] | None = None,
        rewritten: Callable[[str], str] = lambda text: text,
    ) -> None:
        """
        Args:
            page: what the person reads.
            folder: where the page begins.
            database: the one that the DB_* and libpq's variables name. The page calls it my_service.
            tools: a virtual environment. With it, `uv run alembic` and `uv run db` of a project fork
                a process that has its libraries imported already.
            environment: more variables.
            rewritten: changes commands and the outputs that the page shows.
        """
        self.page = page
        self.folder = folder
        self.database = database
        self.tools = tools
        self.rewritten = rewritten
        self.environment = clean_environment() | ENVIRONMENT | (environment or {})
        self.environment.pop("UV", None)  # of the `uv run` that runs the tests
        if database:
            self.environment |= database.environment | {
                f"PG{theirs}": database.environment[f"DB_{ours}"] for theirs, ours in LIBPQ.items()
            }
            self.environment["PATH"] += f"{os.pathsep}{program('psql').parent}"
        self.examples = Examples()

    def read(self) -> None:
        """Do all steps.

        Raises:
            PageError: a step fails, or prints something else than the page shows.
        """
        for step in self.page.steps:
            self._do(step)

    def _do(self, step: Step) -> None:
        match step.kind:
            case "command":
                self._command(step)
            case "run":
                output, code = self._shell(f"set -e\n{self.examples.real(step.text)}")
                if code != 0:
                    raise PageError(f"{self._where(step)} exits with {code}:\n{output}")
            case "sql":
                assert self.database
                with self.database.connect() as connection:
                    connection.execute(step.text.encode())
            case "file":
                path = self.folder / step.argument
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)
            case "insert":
                self._insert(step)
            case "shows":
                [path] = self.folder.glob(self.examples.real(step.argument))
                if not self.examples.match(step.text, path.read_text(), whole=False):
                    raise PageError(f"{self._where(step)}: the file is\n\n{path.read_text()}")

    def _command(self, step: Step) -> None:
        output, code = self._run(self.rewritten(self.examples.real(step.text)))
        output = printed(output)
        if self.database:
            output = output.replace(self.database.name, "my_service")
            output = output.replace(f'as "{self.database.user}"', 'as "postgres"')
        if code != step.exit_code:
            raise PageError(
                f"{self._where(step)} exits with {code}, not {step.exit_code}:\n{output}"
            )
        shown = self.rewritten(step.output)
        if shown and not self.examples.match(shown, output):
            raise PageError(
                f"{self._where(step)} prints\n\n{output}\n\nand the page shows\n\n{shown}"
            )

    def _run(self, command: str) -> tuple[str, int]:
        """Run a command. Returns its output and its exit code."""
        words = shlex.split(command, comments=True) if not set(command) & set("|&;<>$`*?") else []
        is_known = words[:2] == ["uv", "run"] and words[2] in ("alembic", "db")
        if self.tools and is_known and (self.folder / "alembic.ini").exists():
            return self._fork(self.tools, words[2:])
        return self._shell(command)

    def _fork(self, tools: Path, words: list[str]) -> tuple[str, int]:
        sources = [self.folder / "src", self.folder / "packages" / "alembic-live" / "src"]
        done = prefork.run(
            tools / "bin" / "python",
            words,
            [str(folder) for folder in sources],
            self.folder,
            self.environment,
            merged=True,
        )
        return done.stdout, done.returncode

    def _shell(self, command: str) -> tuple[str, int]:
        """Run a command in bash, and stay in the folder where it ends."""
        where = self.folder.parent / ".where"
        done = subprocess.run(
            ["bash", "-c", f"trap 'pwd > \"{where}\"' EXIT\n{command}"],
            cwd=self.folder,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=PATIENCE,
            env=self.environment,
        )
        self.folder = Path(where.read_text().strip())
        where.unlink()
        return done.stdout, done.returncode

    def _insert(self, step: Step) -> None:
        name, _, after = step.argument.partition(" after ")
        path = self.folder / name
        before, found, rest = path.read_text().partition(after)
        if not found:
            raise PageError(f"{self._where(step)}: {name} has no {after!r}")
        line, _, rest = rest.partition("\n")
        path.write_text(f"{before}{found}{line}\n{step.text}{rest}")

    def _where(self, step: Step) -> str:
        return f"{self.page.name}:{step.line}: {step.text.strip()}"
