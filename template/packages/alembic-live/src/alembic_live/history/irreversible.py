"""Revisions that cannot be undone. Their `downgrade()` does nothing but raise an error with the reason:

def downgrade() -> None:
    raise NotImplementedError("The rows of both tables are in one now.")
"""

import ast
from collections.abc import Iterable
from pathlib import Path

from alembic.script import Script
from alembic.util import CommandError

from alembic_live.printable import one_line

EXAMPLE = 'raise NotImplementedError("<why>")'


def why_irreversible(path: Path) -> str | None:
    """The reason why a revision cannot be undone, empty if it names none. None if it can be undone, or
    if it has no source.
    """
    raised = _only_raise(path) if path.suffix == ".py" else None
    if raised is None:
        return None
    match raised.exc:
        case ast.Call(args=[ast.Constant(value=str(reason)), *_]):
            return one_line(reason.strip())
    return ""


def require_reversible(revisions: Iterable[Script]) -> None:
    """
    Raises:
        CommandError: one of the revisions cannot be undone; the text has its reason.
    """
    for revision in revisions:
        reason = why_irreversible(Path(revision.path))
        if reason is not None:
            raise CommandError(f"{cannot_be_undone(revision.revision, reason)} Nothing was done.")


def cannot_be_undone(revision: str, reason: str) -> str:
    """A sentence about a revision, with its reason."""
    reason = reason.rstrip(".") or "its downgrade() raises an error without a reason"
    return f"{revision} cannot be undone: {reason}. Correct what it did in a new revision."


def _only_raise(path: Path) -> ast.Raise | None:
    """The `raise` of a downgrade that has nothing else."""
    try:
        module = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "downgrade":
            body = [each for each in node.body if not _is_docstring(each)]
            return body[0] if len(body) == 1 and isinstance(body[0], ast.Raise) else None
    return None


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
