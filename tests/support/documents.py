"""Pages of documentation: the steps that a page tells its reader to do, and what they print.

Blocks of a page:

- `console`: a line that begins with `$ ` is a command, a line that begins with `> ` continues it.
  The lines below it are its output, standard output and error as on a terminal. A command without
  lines below it may print anything.
- `sh`: commands whose output the page does not show. Those of Docker are not run.
- Other languages: shown to the reader only, unless a comment says more.

A comment on the line above a block says what to do with it:

- `<!-- file: PATH -->` writes the block to a file.
- `<!-- insert: PATH after TEXT -->` adds the block to a file, below the first line with that text.
- `<!-- shows: PATH -->` compares the block with a part of a file. PATH may have wildcards.
- `<!-- exit: 1 -->` is the exit code of the block's last command. Without it, it is 0.
- `<!-- not run: REASON -->` leaves the block out.

Comments anywhere else:

- `<!-- run … -->` and `<!-- sql … -->` are a script for bash and statements for the page's database
  that the reader does not see.
- `<!-- project: question=answer … -->` has the answers of the page's project.
- `<!-- checkout -->`: the page begins in a checkout of the template, without a project.

What an output shows as an example matches other values too:

- `…` is any text in a line, and a line with nothing else is any number of lines.
- A revision id or a commit (12 hex digits) is the one that the commands print. The same id on the
  page is the same id in the run, in commands too.
- The port after 127.0.0.1, the time in a revision's file name, a number of seconds and the version
  of Postgres may be others.
- The time at the start of a log entry is left out.
- White space may be other white space, so a page may wrap a long line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RUN = ("console", "sh")
NOT_RUN = ("dockerfile", "ini", "mermaid", "python", "sql", "text", "toml", "yaml")

FENCE = re.compile(r"( *)```(\w*)$")
COMMENT = re.compile(r" *<!-- ([a-z ]+?)(?:: (.*?))? *-->$|( *)<!-- (run|sql)$", re.DOTALL)
ABOVE_A_BLOCK = ("exit", "file", "insert", "not run", "shows")
YES_OR_NO: dict[str, str | bool] = {"true": True, "false": False}
OF_OTHERS = ("layout", "end of layout")  # tools/layout.py

ID = r"(?<![0-9a-z])[0-9a-f]{12}(?![0-9a-z])"
EXAMPLES = re.compile(
    rf"""
    (?P<any_lines>(?:(?<=\n)|^)[ ]*…(?:\n|$))
    | (?P<anything>…)
    | (?P<id>{ID})
    | (?P<file_time>\d{{4}}_\d\d_\d\d_\d{{6}})
    | (?P<port>(?<=127\.0\.0\.1)(?::|,[ ]port[ ])\d+)
    | (?P<seconds>\b\d+(?:\.\d+)?[ ]?s\b)
    | (?P<version>PostgreSQL[ ][\d.]+)
    | (?P<bar>={{3,}})
    | (?P<space>\s+)
    """,
    re.VERBOSE,
)
PATTERNS = {
    "any_lines": r"(?:.*\n)*?",
    "anything": r".*?",
    "file_time": r"\d{4}_\d\d_\d\d_\d{6}",
    "port": r"(?::|,\sport\s)\d+",
    "seconds": r"\d+(?:\.\d+)?\s?s",
    "version": r"PostgreSQL\s[\d.]+",
    "bar": "=+",
    "space": r"\s+",
}

# Lines that pages leave out: Alembic begins each command with the first two and logs what it then
# prints as FAILED. uv prints the others while it makes the environment.
OMITTED = re.compile(
    r"INFO  \[alembic\.runtime\.migration\] (Context impl|Will assume)"
    r"|ERROR \[alembic\.util\.messaging\]"
    r"|(Using CPython|Creating virtual environment|Resolved|Prepared|Installed|Uninstalled|Audited) "
    r"|Installed \d+ package| *(Building|Built|Downloading|Downloaded) | *[+~-] [\w-]+=="
)
# Pages leave out the time at the start of a log entry.
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} ")


class PageError(AssertionError):
    """What is wrong with a page; the text names the line."""


@dataclass(frozen=True)
class Step:
    """Something to do: `command`, `run`, `sql`, `file`, `insert` or `shows`."""

    kind: str
    line: int  # of the page
    text: str
    argument: str = ""
    output: str = ""
    exit_code: int = 0


@dataclass
class Page:
    """A page, and its steps in their order."""

    name: str
    answers: dict[str, str | bool] = field(default_factory=dict)
    is_checkout: bool = False
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def read(cls, name: str, text: str) -> "Page":
        """
        Args:
            name: what messages call it.
            text: Markdown.

        Raises:
            PageError: a comment or a block is none that this module describes.
        """
        page = cls(name)
        for line, words, block in _parts(name, text.split("\n")):
            keys = [key for key, _ in words]
            if block is None:
                page._take_comment(line, *words[0])
            elif "not run" not in keys:
                page.steps += _steps(name, line, dict(words), *block)
        return page

    def _take_comment(self, line: int, key: str, value: str) -> None:
        if key == "project":
            answers = (answer.split("=", 1) for answer in value.split())
            self.answers = {key: YES_OR_NO.get(text, text) for key, text in answers}
        elif key == "checkout":
            self.is_checkout = True
        else:
            self.steps.append(Step(key, line, value))


class Examples:
    """The ids of a page, and what they are in the run."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def real(self, command: str) -> str:
        """A command with the ids of the run."""
        return re.sub(ID, lambda found: self.ids.get(found[0], found[0]), command)

    def match(self, expected: str, actual: str, *, whole: bool = True) -> bool:
        """Whether a text is what a page shows, in whole or in a part of it. Its new ids are kept."""
        new: dict[str, str] = {}

        def pattern(found: re.Match[str]) -> str:
            kind = str(found.lastgroup)
            if kind != "id":
                return PATTERNS[kind]
            if found[0] in self.ids:
                return re.escape(self.ids[found[0]])
            if found[0] in new:
                return f"(?P={new[found[0]]})"
            new[found[0]] = f"id{len(new)}"
            return f"(?P<{new[found[0]]}>{ID})"

        expected, end = expected.strip("\n"), 0
        parts = []
        for found in EXAMPLES.finditer(expected):
            parts += [re.escape(expected[end : found.start()]), pattern(found)]
            end = found.end()
        parts.append(re.escape(expected[end:]))
        regex = re.compile(rf"\s*{''.join(parts)}\s*")
        matched = regex.fullmatch(actual + "\n") if whole else regex.search(actual)
        if matched:
            self.ids |= {shown: matched[group] for shown, group in new.items()}
        return matched is not None


def printed(output: str) -> str:
    """What a page shows of an output."""
    lines = (line.rstrip() for line in output.splitlines())
    without_times = (TIME.sub("", line) for line in lines)
    return "\n".join(line for line in without_times if not OMITTED.match(line))


Words = list[tuple[str, str]]
Block = tuple[str, list[str]]  # its language, its lines


def _parts(name: str, lines: list[str]) -> Iterator[tuple[int, Words, Block | None]]:
    """The comments and the blocks: the number of the line, what comments say, the block if it is one."""
    above: Words = []
    number = 0
    while number < len(lines):
        line = lines[number]
        if fence := FENCE.match(line):
            end = _index(name, lines, number, f"{fence[1]}```")
            yield number + 1, above, (fence[2], _dedented(lines[number + 1 : end], fence[1]))
            above, number = [], end
        elif comment := COMMENT.match(line):
            key, value = comment[1] or comment[4], comment[2] or ""
            if comment[4]:
                end = _index(name, lines, number, f"{comment[3]}-->")
                value, number = "\n".join(_dedented(lines[number + 1 : end], comment[3])), end
            if key in ABOVE_A_BLOCK:
                above.append((key, value))
            elif key in ("run", "sql", "project", "checkout"):
                yield number + 1, [(key, value)], None
            elif key not in OF_OTHERS:
                raise PageError(f"{name}:{number + 1}: there is no comment {key!r}")
        elif above and line.strip():
            raise PageError(f"{name}:{number + 1}: no block follows the comment {above[0][0]!r}")
        number += 1


def _steps(
    name: str, line: int, words: dict[str, str], language: str, lines: list[str]
) -> Iterator[Step]:
    text = "\n".join(lines) + "\n"
    for key in ("file", "insert", "shows"):
        if key in words:
            yield Step(key, line, text, words[key])
            return
    if language in NOT_RUN:
        if any(each.startswith("$ ") for each in lines):
            raise PageError(f"{name}:{line}: a block with commands is `console`, not `{language}`")
    elif language == "sh":
        commands = [text] if "<<" in text else text.replace("\\\n", "").splitlines()
        commands = [each for each in commands if not re.match(r"\s*(#|docker |$)", each)]
        for command in commands:
            code = int(words.get("exit", 0)) if command is commands[-1] else 0
            yield Step("command", line, command, exit_code=code)
    elif language == "console":
        yield from _console(name, line, lines, int(words.get("exit", 0)))
    else:
        raise PageError(f"{name}:{line}: a block needs one of the languages {RUN + NOT_RUN}")


def _console(name: str, line: int, lines: list[str], exit_code: int) -> Iterator[Step]:
    starts = [index for index, each in enumerate(lines) if each.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise PageError(f"{name}:{line}: a `console` block begins with a command, `$ …`")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        command, below = lines[start][2:], start + 1
        while below < end and lines[below].startswith("> "):
            command += f"\n{lines[below][2:]}"
            below += 1
        output = "\n".join(lines[below:end])
        code = exit_code if end == len(lines) else 0
        yield Step("command", line + start + 1, command, output=output, exit_code=code)


def _index(name: str, lines: list[str], start: int, end: str) -> int:
    try:
        return lines.index(end, start + 1)
    except ValueError:
        raise PageError(f"{name}:{start + 1}: this has no end, {end!r}") from None


def _dedented(lines: list[str], indent: str) -> list[str]:
    return [line.removeprefix(indent) for line in lines]


def pages_in(*folders: Path) -> list[Path]:
    """The Markdown files in some folders, and in theirs."""
    return sorted(path for folder in folders for path in folder.rglob("*.md"))
