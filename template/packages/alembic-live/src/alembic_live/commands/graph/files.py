"""Write a diagram to a file: as Mermaid, inside Markdown, or rendered as SVG."""

import shutil
import subprocess
import sys
from pathlib import Path

from alembic.util import CommandError

RENDERER = "mermaidx"  # Mermaid in a wheel, without a browser or Node.js


def write_diagram(path: Path, diagram: str, name: str) -> None:
    """Write the file completely or not at all. In an existing Markdown file, only the text between the
    two comments with the diagram's name is replaced.

    Args:
        path: a .mmd, .md or .svg file.
        diagram: the Mermaid source.
        name: `tables` or `history`.

    Raises:
        CommandError: the file has another suffix, lacks the two comments or cannot be written; or
            the SVG renderer is not installed.
    """
    contents = {".mmd": _mermaid, ".md": _markdown, ".svg": _svg}.get(path.suffix.lower())
    if contents is None:
        raise CommandError(f"--output {path}: the file name must end in .mmd, .md or .svg.")
    try:
        text = contents(path, diagram, name)
        scratch = path.with_name(f".{path.name}.new")
        try:
            scratch.unlink(missing_ok=True)
            with scratch.open("xb") as file:  # "x": follows no link that another user made
                file.write(text.encode())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} cannot be written: {error}") from error


def _mermaid(_path: Path, diagram: str, _name: str) -> str:
    return diagram


def _markdown(path: Path, diagram: str, name: str) -> str:
    begin, end = f"<!-- db graph: {name} -->", f"<!-- end of db graph: {name} -->"
    block = f"{begin}\n```mermaid\n{diagram}```\n{end}"
    if not path.exists():
        return f"{block}\n"
    text = path.read_bytes().decode()  # keeps the line endings
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise CommandError(
            f"{path} already exists. To insert the diagram, add these two lines where it belongs: "
            f"{begin} and {end}"
        )
    return f"{before}{block}{after}"


def _svg(_path: Path, diagram: str, _name: str) -> str:
    folder = str(Path(sys.executable).parent)
    program = shutil.which(RENDERER, path=folder) or shutil.which(RENDERER)
    if program is None:
        raise CommandError(
            f"{RENDERER}, which renders SVG, is not installed. Add it: uv add --dev {RENDERER}. Or use "
            "--output FILE.md, which needs no renderer; GitHub shows Mermaid in Markdown."
        )
    rendered = subprocess.run(
        [program, "--input", "-", "--quiet"],
        input=diagram,
        check=False,
        capture_output=True,
        encoding="utf-8",
    )
    if rendered.returncode != 0 or "<svg" not in rendered.stdout:
        *_, reason = (rendered.stderr or rendered.stdout).strip().splitlines() or ["no output"]
        raise CommandError(f"{RENDERER} failed: {reason}")
    return rendered.stdout
