"""Puts a diagram into a file: Mermaid as it is, in Markdown, or drawn as SVG."""

import shutil
import subprocess
import sys
from pathlib import Path

from alembic.util import CommandError

DRAWER = "mermaidx"  # Mermaid itself in a wheel, without a browser or Node.js


def write_diagram(path: Path, diagram: str, name: str) -> None:
    """Write a file, all of it or nothing. In Markdown that is there already, only what stands between
    the two comments with the diagram's name is written anew.

    Args:
        path: of a .mmd, .md or .svg file.
        diagram: in Mermaid.
        name: `tables` or `history`.

    Raises:
        CommandError: the file is of another kind, has no place for the diagram or cannot be written; or
            what draws SVG is not installed.
    """
    contents = {".mmd": _plain, ".md": _in_markdown, ".svg": _drawn}.get(path.suffix.lower())
    if contents is None:
        raise CommandError(f"--output {path}: the file's name ends in .mmd, .md or .svg.")
    try:
        text = contents(path, diagram, name)
        scratch = path.with_name(f".{path.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            with scratch.open("xb") as file:  # the folder may be one like /tmp: no link is followed
                file.write(text.encode())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} cannot be written: {error}") from error


def _plain(_path: Path, diagram: str, _name: str) -> str:
    return diagram


def _in_markdown(path: Path, diagram: str, name: str) -> str:
    begin, end = f"<!-- db graph: {name} -->", f"<!-- end of db graph: {name} -->"
    block = f"{begin}\n```mermaid\n{diagram}```\n{end}"
    if not path.exists():
        return f"{block}\n"
    text = path.read_bytes().decode()  # its line ends are its own
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise CommandError(
            f"{path} is there already. To put the diagram into it, write these two lines where it "
            f"belongs: {begin} and {end}"
        )
    return f"{before}{block}{after}"


def _drawn(_path: Path, diagram: str, _name: str) -> str:
    folder = str(Path(sys.executable).parent)
    program = shutil.which(DRAWER, path=folder) or shutil.which(DRAWER)
    if program is None:
        raise CommandError(
            f"{DRAWER}, which draws SVG, is not installed: uv add --dev {DRAWER}. Mermaid in Markdown "
            "(--output FILE.md) needs nothing, and GitHub shows it."
        )
    drawn = subprocess.run(
        [program, "--input", "-", "--quiet"],
        input=diagram,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    if drawn.returncode != 0 or "<svg" not in drawn.stdout:
        *_, reason = (drawn.stderr or drawn.stdout).strip().splitlines() or ["it says nothing"]
        raise CommandError(f"{DRAWER} failed: {reason}")
    return drawn.stdout
