"""The effects of Python code in a revision: none, on the schema only, or possibly on rows."""

import ast

from alembic_live.commands.squash.allowlist import (
    BLOCKS,
    COLUMN,
    DECORATORS,
    HARMLESS,
    INSPECTOR,
    KNOWN_PACKAGES,
    NAME_IN_A_BLOCK,
    PLAIN_METHODS,
    RUN_NOTHING_GIVEN,
    RUNS_SQL,
    SQL_METHODS,
    changes_schema_only,
    constructs_sql,
    is_ddl_element,
    is_ddl_method,
    is_schema_operation,
    reads_schema,
)
from alembic_live.commands.squash.names import (
    Function,
    Imported,
    Names,
    Plain,
    Result,
    Texts,
)


class CodeEffects:
    """The effects of the code in one file. Code that is not on the allowlist may change rows."""

    def __init__(self, module: ast.Module, names: Names) -> None:
        self._names = names
        self._in_progress: list[ast.FunctionDef] = []
        # Names at the top level of the file whose values may run code when they are read, compared or
        # iterated: classes, and objects that unknown calls return.
        self._classes: set[str] = set()
        self._objects: set[str] = set()
        for node in module.body:
            match node:
                case ast.ClassDef(name=name):
                    self._classes.add(name)
                case ast.Assign() | ast.AnnAssign() if self.rows_in([node]):
                    self._objects |= _targets_of(node)

    def changes_schema_only(self, node: ast.expr | None) -> bool:
        """Whether an expression is a call that changes the schema and no rows."""
        if not isinstance(node, ast.Call) or not self._has_passive_parts(node):
            return False
        match self._names.meaning_of(node.func):
            case Imported(path) | Result(path) if path in RUNS_SQL:
                return self._is_ddl(node.args[0]) if node.args else False
            case Imported(path) | Result(path) if is_schema_operation(path):
                return True
            case Result(path):
                return is_ddl_method(path)
        return False

    def is_harmless(self, node: ast.AST | None) -> bool:
        """Whether the evaluation of an expression changes nothing."""
        match node:
            case ast.Await() | ast.Yield() | ast.YieldFrom():
                return False
            case ast.Call():
                return self._has_passive_parts(node) and self._is_harmless_call(node)
            case ast.Name(id=name):
                is_active = name in self._classes | self._objects
                return not is_active and not self._is_foreign(node)
        return node is None or all(map(self.is_harmless, ast.iter_child_nodes(node)))

    def rows_in(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements that may change rows. For a compound statement these are the statements in its
        blocks, and the whole statement only if its header may change rows.
        """
        return [found for statement in body for found in self._rows_in(statement)]

    def _rows_in(self, node: ast.stmt) -> list[ast.stmt]:
        match node:
            case ast.Expr(value=value) | ast.Return(value=value) if self.changes_schema_only(value):
                return []
            case ast.Assign(targets=targets, value=value):
                is_known = self.changes_schema_only(value) or self.is_harmless(value)
                return [] if is_known and all(map(self._is_local_target, targets)) else [node]
            case ast.AnnAssign(target=target, value=value):
                is_known = self.changes_schema_only(value) or self.is_harmless(value)
                return [] if is_known and self._is_local_target(target) else [node]
            case ast.AugAssign(target=target, value=value):
                return [] if self._is_local_target(target) and self.is_harmless(value) else [node]
            case ast.FunctionDef() | ast.ClassDef() if not self._are_known(node.decorator_list):
                return [node]
            case ast.ClassDef(keywords=[_, *_]):  # a metaclass, or arguments of a base class
                return [node]
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith():
                return [node]
            case ast.ImportFrom(names=[ast.alias(name="*")]) | ast.Global() | ast.Nonlocal():
                return [node]
        parts = ast.iter_child_nodes(node)
        return [found for part in parts for found in self._rows_in_part(part, node)]

    def _rows_in_part(self, part: ast.AST, whole: ast.stmt) -> list[ast.stmt]:
        match part:
            case ast.stmt():
                return self._rows_in(part)
            case ast.withitem(context_expr=value) if self._is_block(value):
                return []
            case ast.ExceptHandler() | ast.match_case():
                parts = ast.iter_child_nodes(part)
                return [found for each in parts for found in self._rows_in_part(each, whole)]
        return [] if self.is_harmless(part) else [whole]

    def _is_block(self, node: ast.expr) -> bool:
        """Whether it is a context manager of Alembic, such as `op.batch_alter_table(…)`."""
        if not isinstance(node, ast.Call) or not self._has_passive_parts(node):
            return False
        match self._names.meaning_of(node.func):
            case Imported(path) | Result(path):
                return path in BLOCKS
        return False

    def _are_known(self, decorators: list[ast.expr]) -> bool:
        meanings = map(self._names.meaning_of, decorators)
        return all(isinstance(each, Imported) and each.path in DECORATORS for each in meanings)

    def _is_local_target(self, target: ast.expr) -> bool:
        """Whether an assignment changes only a name, or an object that the file has created."""
        match target:
            case ast.Name():
                return True
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return all(map(self._is_local_target, parts))
            case ast.Starred(value=value):
                return self._is_local_target(value)
            case ast.Subscript():
                root: ast.expr = target
                while isinstance(root, ast.Subscript):
                    root = root.value
                return isinstance(self._names.meaning_of(root), Plain) and self.is_harmless(target)
        return False

    def _has_passive_parts(self, call: ast.Call) -> bool:
        """Whether the arguments of a call, and the object of a method, are harmless. Classes and
        objects of the project count as harmless for modules that do not run their code.
        """
        parts: list[ast.expr] = [*call.args, *(keyword.value for keyword in call.keywords)]
        match self._names.meaning_of(call.func):
            case Imported(path) | Result(path) if path.startswith(RUN_NOTHING_GIVEN):
                types = _types_in(call) if path == COLUMN else []
                builds = is_schema_operation(path) or constructs_sql(path)
                parts = [
                    part
                    for part in parts
                    if not self._is_passed_on(part)
                    and not (builds and self._is_construction(part, is_type=part in types))
                ]
        if isinstance(call.func, ast.Attribute):
            parts.append(call.func.value)
        return all(map(self.is_harmless, parts))

    def _is_passed_on(self, node: ast.expr) -> bool:
        """Whether it is a name, possibly with attributes (`Mood.happy.value`), and not one of the
        file's objects.
        """
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id not in self._objects

    def _is_construction(self, node: ast.expr, *, is_type: bool) -> bool:
        """Whether it is a call that constructs an imported type or default, as in
        `sa.Column("id", my.types.UUID())`.

        Args:
            node: an argument of a schema operation or of a part of one.
            is_type: the type of a column, which a function may return too.
        """
        if not isinstance(node, ast.Call):
            return False
        match self._names.meaning_of(node.func):
            case Imported(path) if is_type or path.rpartition(".")[2][:1].isupper():
                parts = [*node.args, *(keyword.value for keyword in node.keywords)]
                return all(
                    self._is_passed_on(part)
                    or self._is_construction(part, is_type=False)
                    or self.is_harmless(part)
                    for part in parts
                )
        return False

    def _is_foreign(self, name: ast.Name) -> bool:
        """Whether it is imported from an unknown package, such as the project."""
        match self._names.meaning_of(name):
            case Imported(path):
                return path.partition(".")[0] not in KNOWN_PACKAGES
        return False

    def _is_harmless_call(self, call: ast.Call) -> bool:
        match self._names.meaning_of(call.func):
            case Imported(path) if path in HARMLESS:
                return not self._calls_back(call)
            case Imported(path):
                return path == INSPECTOR or constructs_sql(path)
            case Function(node):
                return self._is_harmless_function(node)
            case Result(path) if reads_schema(path) or path == NAME_IN_A_BLOCK:
                return True
        if isinstance(call.func, ast.Attribute):
            method = call.func.attr
            match self._names.meaning_of(call.func.value):
                case Result(path):
                    return constructs_sql(path) and method in SQL_METHODS
                case Texts():
                    return method in SQL_METHODS | PLAIN_METHODS
                case Plain():
                    return method in PLAIN_METHODS and not self._calls_back(call)
        return False

    def _is_harmless_function(self, node: ast.FunctionDef) -> bool:
        """Whether a function of the file changes no rows. It may change the schema: those statements are
        removed when it is carried over.
        """
        if node in self._in_progress:  # a recursive call; the body is being checked already
            return True
        self._in_progress.append(node)
        try:
            return not self.rows_in([node])
        finally:
            self._in_progress.remove(node)

    def _calls_back(self, call: ast.Call) -> bool:
        """Whether a keyword argument is a function, as in `sorted(…, key=function)`."""
        values = [keyword.value for keyword in call.keywords]
        return any(
            isinstance(value, ast.Lambda)
            or isinstance(self._names.meaning_of(value), Function | Imported)
            for value in values
        )

    def _is_ddl(self, node: ast.expr) -> bool:
        match self._names.meaning_of(node):
            case Texts(values):
                return all(map(changes_schema_only, values))
            case Result(path):
                return is_ddl_element(path)
        return False


def _types_in(column: ast.Call) -> list[ast.expr]:
    """The type in a call of sqlalchemy.Column."""
    named = [keyword.value for keyword in column.keywords if keyword.arg == "type_"]
    return named or column.args[1:2]


def _targets_of(node: ast.stmt) -> set[str]:
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }
