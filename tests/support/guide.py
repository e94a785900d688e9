"""A person who does what a page says, in a folder, as the person would type it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from documents import Examples, Page, Step, printed
from project import PATIENCE, clean_environment

PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
}


class Follower:
    """The person. A command that changes the folder changes it for those that come after it."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        rewritten: Callable[[str], str] = lambda text: text,
    ) -> None:
        """
        Args:
            folder: where the page begins.
            environment: variables beside those of a person's terminal.
            rewritten: changes commands and the outputs that the page shows.
        """
        self.folder = folder
        self.rewritten = rewritten
        self.examples = Examples()
        self.environment = clean_environment() | PERSON | {"UV_NO_PROGRESS": "1"} | environment
        self.environment.pop("UV", None)  # that of the tests' own `uv run`

    def follow(self, page: Page) -> None:
        """Do all steps of a page, and compare what they print."""
        for step in page.steps:
            self._do(page, step)

    def _do(self, page: Page, step: Step) -> None:
        match step.kind:
            case "file":
                path = self.folder / step.argument
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)
            case "insert":
                name, _, after = step.argument.partition(" after ")
                lines = (self.folder / name).read_text().splitlines(keepends=True)
                number = next(number for number, line in enumerate(lines) if after in line)
                lines.insert(number + 1, step.text)
                (self.folder / name).write_text("".join(lines))
            case "command":
                self._command(page, step)
            case kind:
                raise AssertionError(f"{page.name}:{step.line}: a step that is not known: {kind}")

    def _command(self, page: Page, step: Step) -> None:
        command = self.rewritten(self.examples.real(step.text))
        where = self.folder.parent / ".where"
        done = subprocess.run(
            ["bash", "-uc", f"trap 'pwd > \"{where}\"' EXIT\n{command}"],
            cwd=self.folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            env=self.environment,
        )
        self.folder = Path(where.read_text().strip())
        where.unlink()
        output = printed(done.stdout)
        place = f"{page.name}:{step.line}: {command.strip()}"
        assert done.returncode == step.exit_code, f"{place}\n{output}"
        shown = self.rewritten(step.output)
        assert not shown or self.examples.match(shown, output), f"{place} prints\n{output}"
