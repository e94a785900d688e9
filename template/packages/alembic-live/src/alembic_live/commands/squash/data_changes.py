"""The code of a revision that changes rows. A dump of the schema does not contain its effect."""

import ast
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from alembic.script import Script
from alembic.util import CommandError

from alembic_live.commands.squash.allowlist import CREATE_TABLE
from alembic_live.commands.squash.code_effects import CodeEffects
from alembic_live.commands.squash.names import Imported, Names
from alembic_live.formatting import formatted
from alembic_live.history.files import read_source
from alembic_live.history.graph import title_of
from alembic_live.project import Project

REVISION_VARIABLES = ("revision", "down_revision", "branch_labels", "depends_on", "replaces")

SQLALCHEMY = ast.parse("import sqlalchemy").body[0]
METADATA = ast.parse("sqlalchemy.MetaData()", mode="eval").body


def data_changes_in(path: Path) -> list[int]:
    """The lines of a revision's upgrade that may change rows: all except those that are known to
    change the schema only.
    """
    return RevisionCode(path).data_changes


def carried_over(project: Project, revisions: Sequence[Script], source: str) -> str:
    """The source of a revision whose upgrade ends with the row changes of other revisions, in order.
    Their schema changes are left out.

    Raises:
        CommandError: the code of a revision cannot be moved; the text names the line.
    """
    functions, calls = [], []
    imported = {ast.dump(node) for node in ast.parse(source).body if _is_import(node)}
    for revision in revisions:
        path = Path(revision.path)
        code = RevisionCode(path, project.relative(path))
        if code.data_changes:
            name = function_name(revision.revision)
            functions.append(code.as_function(name, title_of(revision), imported))
            calls.append(f"    {name}()")
    before, marker, after = source.partition("\n\ndef downgrade()")
    text = "\n".join([before.rstrip(), *calls, "", marker.lstrip("\n") + after])
    return formatted("\n\n\n".join([text.rstrip(), *functions]) + "\n", Path(revisions[-1].path))


def function_name(revision: str) -> str:
    """The name of the function that holds the row changes of a revision."""
    return "rows_of_" + re.sub(r"\W", "_", revision)


class RevisionCode:
    """The Python code of a revision."""

    def __init__(self, path: Path, shown: str = "") -> None:
        """`shown` is the path in error messages."""
        self._shown = shown or path.name
        self._module = ast.parse(read_source(path))
        self._names = Names(self._module)
        self._effects = CodeEffects(self._module, self._names)

    @cached_property
    def data_changes(self) -> list[int]:
        """The lines of the upgrade that may change rows."""
        upgrade = self._upgrade
        if upgrade is None:
            return [self._line_of_upgrade]
        return sorted({node.lineno for node in self._effects.rows_in(upgrade.body)})

    def as_function(self, name: str, message: str, imported: set[str]) -> str:
        """The source of a function with the row changes of the upgrade.

        Args:
            name: the name of the function.
            message: the docstring.
            imported: the imports that it does not need, as dumps.

        Raises:
            CommandError: the code cannot be moved; the text names the line.
        """
        if self._upgrade is None:
            raise self._error(
                self._line_of_upgrade, "upgrade() is not a plain function of the file"
            )
        for node in ast.walk(self._module):
            if isinstance(node, ast.Global | ast.Nonlocal):
                raise self._error(node.lineno, "it uses global or nonlocal")
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                raise self._error(node.lineno, "it uses import *")
        function = ast.parse(f"def {name}() -> None:\n    {message!r}").body[0]
        assert isinstance(function, ast.FunctionDef)
        own = [
            node
            for node in self._module.body
            if not _is_boilerplate(node) and ast.dump(node) not in imported
        ]
        body = [*self._kept(own), *self._kept(self._upgrade.body)]
        if METADATA in [part for node in body for part in ast.walk(node)]:
            function.body.append(SQLALCHEMY)
        function.body += [node for node in body if ast.dump(node) != ast.dump(SQLALCHEMY)]
        return ast.unparse(ast.fix_missing_locations(function))

    @property
    def _upgrade(self) -> ast.FunctionDef | None:
        """The function, if it is certain that Alembic calls this one."""
        found = [node for node in self._module.body if _is_named(node, "upgrade")]
        if self._names.count("upgrade") != 1 or not found or self._names.count("*"):
            return None
        [upgrade] = found
        assert isinstance(upgrade, ast.FunctionDef)
        return None if upgrade.decorator_list else upgrade

    @property
    def _line_of_upgrade(self) -> int:
        """The line to name in an error if it is not certain."""
        lines = [
            node.lineno
            for node in ast.walk(self._module)
            if (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "upgrade")
            or (isinstance(node, ast.ImportFrom) and node.names[0].name in ("*", "upgrade"))
            or (isinstance(node, ast.Name) and node.id == "upgrade")
        ]
        return max(lines, default=1)

    def _kept(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements without those that are known to change the schema only."""
        return [kept for node in body if (kept := self._without_schema(node))]

    def _without_schema(self, node: ast.stmt) -> ast.stmt | None:
        match node:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                return None
            case ast.Expr(value=value) if self._effects.changes_schema_only(value):
                return None
            case ast.Assign(value=value) if self._effects.changes_schema_only(value):
                node.value = self._return_value(value)
            case ast.AnnAssign(value=ast.expr() as value) | ast.Return(value=ast.expr() as value):
                if self._effects.changes_schema_only(value):
                    node.value = self._return_value(value)
        return self._with_kept_blocks(node)

    def _with_kept_blocks(self, node: ast.stmt) -> ast.stmt | None:
        """The statement with the kept statements of its blocks; None if nothing is left in them."""
        parts: list[ast.AST] = [node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())]
        had_blocks = left = False
        for part in parts:
            for name in ("body", "orelse", "finalbody"):
                block = getattr(part, name, None)
                if isinstance(block, list) and block:
                    kept = self._kept(block)
                    had_blocks, left = True, left or bool(kept)
                    setattr(part, name, kept or ([] if name == "orelse" else [ast.Pass()]))
        is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
        if had_blocks and not left and not is_definition and not self._effects.rows_in([node]):
            return None
        return node

    def _return_value(self, value: ast.expr) -> ast.expr:
        """The replacement for the return value of an operation. `op.create_table` returns a table to
        insert into, so it becomes a Table. Other operations return None.
        """
        assert isinstance(value, ast.Call)
        if self._names.meaning_of(value.func) != Imported(CREATE_TABLE):
            return ast.Constant(None)
        named = {keyword.arg: keyword.value for keyword in value.keywords}
        name = [named.pop("table_name")] if "table_name" in named else []
        named.pop("if_not_exists", None)
        return ast.Call(
            ast.parse("sqlalchemy.Table", mode="eval").body,
            [*(name or value.args[:1]), METADATA, *(value.args if name else value.args[1:])],
            [ast.keyword(key, argument) for key, argument in named.items()],
        )

    def _error(self, line: int, reason: str) -> CommandError:
        return CommandError(
            f"The row changes in {self._shown}:{line} cannot be carried over, because {reason}."
        )


def _is_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_named(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _is_boilerplate(node: ast.stmt) -> bool:
    """Whether every revision has this statement."""
    match node:
        case ast.FunctionDef(name="upgrade" | "downgrade"):
            return True
        case ast.ImportFrom(module="__future__"):
            return True
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name in REVISION_VARIABLES
        case ast.Expr(value=ast.Constant()):  # the docstring
            return True
    return False
