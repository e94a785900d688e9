"""What in a revision changes rows, and not the schema: it is not in a schema's dump."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from alembic.script import Script

from ..formatting import formatted
from ..revision_files import VERSIONS
from .source import function_of

# What SQL begins with that changes no rows.
DDL = re.compile(
    r"\s*(?:ALTER|ANALYZE|COMMENT|CREATE|DROP|GRANT|LOCK|REFRESH|REINDEX|REVOKE|SET|VACUUM)\b", re.I
)
# Operations of Alembic that change no rows.
SCHEMA_OPERATIONS = re.compile(r"(?:add|alter|create|drop|rename|batch_alter)_\w+")
# What by itself changes nothing.
PREPARATIONS = (ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.Import, ast.ImportFrom, ast.Pass)
OF_ALEMBIC = ("revision", "down_revision", "branch_labels", "depends_on", "replaces")


def data_changes_in(path: Path) -> list[int]:
    """The lines of a revision's upgrade that change rows, or may: all but those that are known to
    change the schema only.
    """
    function = function_of(path, "upgrade")
    kept = _kept(function.body, _own_operations(path)) if function else []
    return [node.lineno for node in kept if not isinstance(node, PREPARATIONS)]


def carried_over(revisions: Sequence[Script], source: str) -> str:
    """The text of a revision with what changed rows in others, in their order, at the end of its
    upgrade. What changes the schema is left out of it.

    Raises:
        CommandError: it is no Python any more.
    """
    functions, calls = [], []
    imported = {ast.dump(node) for node in ast.parse(source).body if _is_import(node)}
    for revision in revisions:
        path = Path(revision.path)
        if data_changes_in(path):
            name = "rows_of_" + re.sub(r"\W", "_", revision.revision)
            functions.append(_function(path, name, revision.doc, imported))
            calls.append(f"    {name}()")
    before, marker, after = source.partition("\n\ndef downgrade()")
    text = "\n".join([before.rstrip(), *calls, "", marker.lstrip("\n") + after])
    return formatted("\n\n\n".join([text.rstrip(), *functions]) + "\n", VERSIONS / "new.py")


def _function(path: Path, name: str, message: str, imported: set[str]) -> str:
    """A function that does what an upgrade did to rows."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    upgrade = function_of(path, "upgrade")
    assert upgrade is not None
    own = [
        node for node in module.body if not _is_alembics(node) and ast.dump(node) not in imported
    ]
    body = [*own, *_kept(upgrade.body, _own_operations(path))]
    function = ast.parse(f"def {name}() -> None:\n    {message!r}").body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body += body
    return ast.unparse(ast.fix_missing_locations(function))


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_alembics(node: ast.stmt) -> bool:
    """Whether it is a part that every revision has."""
    if isinstance(node, ast.FunctionDef):
        return node.name in ("upgrade", "downgrade")
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id in OF_ALEMBIC
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id in OF_ALEMBIC
    return isinstance(node, ast.Expr)  # the docstring


def _own_operations(path: Path) -> set[str]:
    """The names of this project's operations in a revision, but for the one that runs any SQL."""
    return {
        name.asname or name.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("migrate.operations")
        for name in node.names
        if name.name != "run_sql"
    }


def _kept(body: list[ast.stmt], own: set[str]) -> list[ast.stmt]:
    """The statements but for those that are known to change the schema only."""
    kept: list[ast.stmt] = []
    for node in body:
        if isinstance(node, ast.Expr) and (_is_text(node.value) or _is_of_schema(node.value, own)):
            continue
        if isinstance(node, ast.With) and any(
            _is_of_schema(item.context_expr, own) for item in node.items
        ):
            continue
        if isinstance(node, ast.With | ast.For | ast.If | ast.While | ast.Try):
            before = node.body
            node.body = _kept(node.body, own)
            if before and not node.body:
                continue
        kept.append(_WithTables().visit(node))
    return kept


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant)


def _is_of_schema(node: ast.expr, own: set[str]) -> bool:
    """Whether it is a call that changes the schema only."""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Name):
        return node.func.id in own or (node.func.id == "run_sql" and _is_ddl(node))
    if not isinstance(node.func, ast.Attribute):
        return False
    is_op = isinstance(node.func.value, ast.Name) and node.func.value.id == "op"
    if is_op and SCHEMA_OPERATIONS.fullmatch(node.func.attr):
        return True
    return node.func.attr == "execute" and _is_ddl(node)


class _WithTables(ast.NodeTransformer):
    """`op.create_table` is also used for the table that it returns, to insert into."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Make a table without a database of it."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "create_table":
            node.func = ast.parse("sa.Table", mode="eval").body
            node.args.insert(1, ast.parse("sa.MetaData()", mode="eval").body)
        return node


def _is_ddl(call: ast.Call) -> bool:
    """Whether it runs a literal statement that changes the schema."""
    text: ast.expr | None = call.args[0] if call.args else None
    if isinstance(text, ast.Call) and text.args:  # sa.text("…")
        text = text.args[0]
    if isinstance(text, ast.JoinedStr) and text.values:
        text = text.values[0]
    return (
        isinstance(text, ast.Constant)
        and isinstance(text.value, str)
        and DDL.match(text.value) is not None
    )
