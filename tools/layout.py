"""Writes the layouts in README.md and CONTRIBUTING.md: `uv run tools/layout.py`.

A layout stands between `<!-- layout: NAME -->` and `<!-- end of layout -->`. It is a tree of the
files that are there. The text beside a file is the first sentence of its docstring or of its first
comment; TEXTS has the text of a file or folder that says
nothing about itself.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from copier import run_copy

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
LIBRARY = "template/packages/alembic-live"

MARKED = re.compile(r"(<!-- layout: (\w+) -->\n)(.*?)(<!-- end of layout -->\n)", re.DOTALL)
WIDTH = 100

TEXTS = {
    "project": {
        ".github": "CI, and weekly updates of the template and of actions",
        "migrations": "",
        "migrations/head.txt": "the newest revision, so that git reports a conflict of two",
        "migrations/script.py.mako": "the template of a new revision",
        "migrations/versions": "the revisions",
        "packages/alembic-live": "the library, unless the answer to vendor_library is no",
        "pyproject.toml": "dependencies, ruff, mypy, pytest",
        "src": "",
        "tests": "",
    },
    "library": {
        "autogenerate": "compares models with the database, and writes zero-downtime revisions",
        "commands": "`db`: one module or folder for each command",
        "history": "revision files, heads, git",
        "internals": "undocumented parts of other libraries, one module for each",
        "operations": "what revisions import: indexes, constraints, columns, enums",
        "postgres": "connections, pg_dump, scratch databases, the local server",
        "runtime": "what `alembic upgrade` needs: lock, retries, timeouts, version table",
        "sql": "reads SQL: tokens, trees, secrets",
        "testing": "the pytest plugin: fixtures, and tests for every history",
    },
    "repository": {
        "benchmarks": "a rendered project measured against `alembic init`",
        "docs": "tutorial, how-to guides, explanation, reference, decisions",
        "template": "what Copier renders, and nothing else",
        LIBRARY: "the library: its source, README and pyproject.toml",
        "tests": "three tiers, each with the folders of what it tests",
        "tests/acceptance": "rendered projects, driven as a person does; updates from every release",
        "tests/integration": "the library on a real Postgres, in a small project beside it",
        "tests/support": "what tests import: projects, servers, histories, and the small project",
        "tests/unit": "the library in place: no Postgres, no rendering",
        "tools": "programs for maintainers",
        "updates": "carries a team's edits along when an update moves files",
    },
}
# The folders whose files are listed. Other folders are one line.
OPEN = {
    "project": ("migrations", "src", "src/*", "src/*/database", "tests"),
    "library": (),
    "repository": ("template", "template/packages", "tests", "tools"),
}
LEFT_OUT = {
    "project": (r"\.copier-answers\.yml", "LICENSE", "uv.lock", r".*/__init__\.py", r"\.git\w+"),
    "library": (r"__init__\.py", r"py\.typed"),
    "repository": (r"\..*", "LICENSE", "uv.lock", r"template/(?!packages).*"),
}


def main() -> None:
    """Write the layouts, or compare them with `--check`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if stale")
    is_check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        run_copy(str(ROOT), folder, defaults=True, quiet=True, vcs_ref="HEAD")
        stale = update(layouts(Path(folder)), write=not is_check)
    for page in stale:
        print(f"{page.name}: {'stale: uv run tools/layout.py' if is_check else 'written'}")
    sys.exit(1 if stale and is_check else 0)


def layouts(project: Path) -> dict[str, str]:
    """Each layout, as it is now.

    Args:
        project: a project rendered with the defaults.
    """
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    ours = [PurePosixPath(name) for name in names.split("\0") if name and (ROOT / name).exists()]
    source = PurePosixPath(LIBRARY, "src", "alembic_live")
    files = {
        "project": (project, list(map(PurePosixPath, _files(project)))),
        "library": (ROOT / source, [path.relative_to(source) for path in ours if source in path.parents]),
        "repository": (ROOT, ours),
    }  # fmt: skip
    return {name: _layout(name, *of) for name, of in files.items()}


def update(layouts: dict[str, str], *, write: bool) -> list[Path]:
    """The pages whose layouts are stale. With `write` they are no longer."""
    stale = []
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = MARKED.sub(
            lambda marked: f"{marked[1]}```text\n{layouts[marked[2]]}```\n{marked[4]}", before
        )
        if after != before:
            stale.append(page)
            if write:
                page.write_text(after, encoding="utf-8")
    return stale


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _layout(name: str, root: Path, files: list[PurePosixPath]) -> str:
    """A tree of the files, with a text beside each."""
    unknown = [folder for folder in TEXTS[name] if not (root / folder).exists()]
    if unknown:
        sys.exit(f"tools/layout.py: TEXTS[{name!r}] has {unknown}, which is not there.")
    shown = sorted({_shown(name, path) for path in files if not _is_left_out(name, path)})
    rows: list[tuple[str, str]] = []
    above: tuple[str, ...] = ()
    for path, is_folder in sorted(shown, key=lambda entry: _order(*entry)):
        for depth, part in enumerate(path.parts[:-1]):
            if above[: depth + 1] != path.parts[: depth + 1]:
                folder = PurePosixPath(*path.parts[: depth + 1])
                rows.append(("  " * depth + f"{part}/", _text(name, root, folder)))
        above = path.parts if is_folder else path.parts[:-1]
        label = "  " * (len(path.parts) - 1) + path.name + ("/" if is_folder else "")
        rows.append((label, _text(name, root, path)))
    column = max(len(label) for label, _ in rows) + 2
    lines = (f"{label:{column}}{_cut(text, WIDTH - column)}".rstrip() for label, text in rows)
    return "".join(f"{line}\n" for line in lines)


def _shown(name: str, path: PurePosixPath) -> tuple[PurePosixPath, bool]:
    """The file, or the outermost folder around it that is not open; and whether it is a folder."""
    for folder in reversed(path.parents[:-1]):
        is_parent_of_known = any(folder in PurePosixPath(known).parents for known in TEXTS[name])
        if not is_parent_of_known and not any(folder.match(each) for each in OPEN[name]):
            return folder, True
    return path, False


def _is_left_out(name: str, path: PurePosixPath) -> bool:
    return any(re.fullmatch(pattern, path.as_posix()) for pattern in LEFT_OUT[name])


def _order(path: PurePosixPath, is_folder: bool) -> list[tuple[bool, str]]:
    """Folders come before the files beside them."""
    last = len(path.parts) - 1
    return [(number == last and not is_folder, part) for number, part in enumerate(path.parts)]


def _text(name: str, root: Path, path: PurePosixPath) -> str:
    """What is said about a file or a folder."""
    if path.as_posix() in TEXTS[name]:
        return TEXTS[name][path.as_posix()]
    file = root / path
    if file.is_dir():
        file = file / "__init__.py"
    if not file.exists():
        return ""
    first = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        first = ast.get_docstring(ast.parse(first)) or ""
    elif file.suffix != ".md" and first.startswith("# "):
        lines = re.match(r"(# .*\n)+", first)
        first = re.sub("^# ", "", lines[0] if lines else "", flags=re.MULTILINE)
    else:
        return ""
    return re.split(r"\.(?:\s|$)", first, maxsplit=1)[0].replace("\n", " ")


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return text[: width - 1].rpartition(" ")[0] + " …"


if __name__ == "__main__":
    main()
