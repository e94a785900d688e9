"""The history of revisions, as a flowchart: a Git graph can show neither several first revisions nor
one that joins more than two.

https://mermaid.js.org/syntax/flowchart.html
"""

from collections.abc import Collection, Iterator

from alembic.script import Script, ScriptDirectory
from alembic.util import to_tuple

from .text import escaped


def draw_history(script: ScriptDirectory, current: Collection[str]) -> str:
    """A diagram of all revisions, the oldest at the top.

    Args:
        script: the history.
        current: the database's revisions, which are marked.
    """
    revisions = list(script.walk_revisions())[::-1]
    names = {revision.revision: f"r{number}" for number, revision in enumerate(revisions, start=1)}
    lines = ["flowchart TD"]
    for revision in revisions:
        mark = ":::current" if revision.revision in current else ""
        label = "<br>".join(_label(revision, revision.revision in current))
        lines.append(f'    {names[revision.revision]}["{label}"]{mark}')
    for revision in revisions:
        for below in to_tuple(revision.down_revision, default=()):
            lines.append(f"    {names[below]} --> {names[revision.revision]}")
        for needed in to_tuple(revision._resolved_dependencies, default=()):
            lines.append(f"    {names[needed]} -.-> {names[revision.revision]}")
    if current:
        lines.append("    classDef current stroke-width:4px")
    return "\n".join(lines) + "\n"


def _label(revision: Script, is_current: bool) -> Iterator[str]:
    yield escaped(revision.revision)
    yield escaped(revision.doc or "")
    notes = [escaped(label) for label in sorted(revision.branch_labels)]
    notes += ["head"] if revision.is_head else []
    notes += ["the database is here"] if is_current else []
    if notes:
        yield f"({', '.join(notes)})"
