"""The parts of a Python file."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from pieces import ConflictError, Piece


def python_pieces(text: str, *, imports: bool = True) -> Piece:
    """
    Args:
        text: of the file.
        imports: whether the imports of the module are parts. They are merged in another way.

    Raises:
        SyntaxError: it is not Python.
        ConflictError: two statements share a line.
    """
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    pieces = _statements(lines, tree.body, 0, len(lines), is_module=True)
    return Piece("", "module", [], [p for p in pieces if imports or p.kind != "import"])


def _statements(
    lines: list[str], body: Sequence[ast.stmt], begin: int, end: int, *, is_module: bool = False
) -> list[Piece]:
    pieces = []
    for statement in body:
        first, last = _first_line(statement), statement.end_lineno or 0
        if first < begin:
            raise ConflictError(lines[first])
        comments, start = _comments(lines, begin, first)
        pieces += comments
        pieces.append(_statement(lines, statement, start, first, last))
        if is_module and isinstance(statement, (ast.Import, ast.ImportFrom)):
            pieces[-1].kind = "import"
        begin = last
    return pieces + (_comments(lines, begin, end, is_end=True)[0] if is_module else [])


def _comments(
    lines: list[str], begin: int, end: int, *, is_end: bool = False
) -> tuple[list[Piece], int]:
    """The blocks of comments between two statements, without the one directly above the second,
    and the line at which the second begins with that one.
    """
    blocks: list[tuple[int, int]] = []
    for at in range(begin, end):
        if not lines[at].strip():
            continue
        if blocks and blocks[-1][1] == at:
            blocks[-1] = (blocks[-1][0], at + 1)
        else:
            blocks.append((at, at + 1))
    start = end
    if blocks and blocks[-1][1] == end and not is_end:
        start = blocks.pop()[0]
    return [_piece(lines, "comment", first, last) for first, last in blocks], start


def _piece(lines: list[str], kind: str, start: int, end: int, key: str = "") -> Piece:
    """A piece without parts. Without a key it is called what it says."""
    gap, first = 0, start
    while gap < start and not lines[start - gap - 1].strip():
        gap += 1
    while key and first < end and lines[first].lstrip().startswith("#"):
        first += 1
    text = lines[first:end]
    return Piece(key or "".join(text).strip(), kind, text, gap=gap, above=lines[start:first])


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", ())
    return min([node.lineno, *(int(decorator.lineno) for decorator in decorators)]) - 1


def _statement(lines: list[str], statement: ast.stmt, start: int, first: int, last: int) -> Piece:
    key = _key(statement)
    match statement:
        case ast.ClassDef(body=body) | ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            begin = _first_line(body[0])
            while not lines[begin - 1].strip() or lines[begin - 1].lstrip().startswith("#"):
                begin -= 1
            if begin > statement.lineno - 1:
                piece = _piece(lines, "function", start, begin, key)
                if isinstance(statement, ast.ClassDef):
                    piece.kind = "class"
                piece.parts = _statements(lines, body, begin, last)
                return piece
        case ast.Assign(value=value) | ast.AnnAssign(value=value) | ast.Expr(value=value):
            return _brackets(lines, key, value, start, last)
        case ast.Return(value=value):
            return _brackets(lines, key, value, start, last)
    return _piece(lines, "lines", start, last, key)


def _brackets(lines: list[str], key: str, value: ast.expr | None, start: int, last: int) -> Piece:
    """A call, a dict or a list: if it has a line for each element, these are its parts."""
    whole = _piece(lines, "lines", start, last, key)
    if value is None:
        return whole
    begin = at = (value.func.end_lineno if isinstance(value, ast.Call) else value.lineno) or 0
    parts = []
    for name, first, end in sorted(_elements(value), key=lambda element: element[1].lineno):
        below = end.end_lineno or 0
        if first.lineno - 1 < at or below >= last:
            return whole
        inner = end.value if isinstance(end, ast.keyword) else end
        parts.append(_brackets(lines, name, inner, at, below))
        parts[-1].gap = 0  # its first lines are the comments and gaps above it
        at = below
    if not parts:
        return whole
    head = lines[start + len(whole.above) : begin]
    return Piece(key, "brackets", head, parts, lines[at:last], whole.gap, whole.above)


def _elements(
    value: ast.expr,
) -> list[tuple[str, ast.expr | ast.keyword, ast.expr | ast.keyword]]:
    """The elements in brackets: what each is called, where it begins and where it ends."""
    match value:
        case ast.Call(args=args, keywords=keywords):
            return [
                *((ast.unparse(each), each, each) for each in args),
                *((f"{word.arg or ast.unparse(word)}=", word, word) for word in keywords),
            ]
        case ast.Dict(keys=keys, values=values):
            return [
                (ast.unparse(key) if key else f"**{ast.unparse(each)}", key or each, each)
                for key, each in zip(keys, values, strict=True)
            ]
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return [(ast.unparse(each), each, each) for each in elements]
    return []


def _key(statement: ast.stmt) -> str:
    """What a statement is called among its neighbours."""
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=targets):
            return ", ".join(map(ast.unparse, targets))
        case ast.AnnAssign(target=target):
            return ast.unparse(target)
        case ast.Expr(value=ast.Constant(value=str())):
            return "a docstring"
        case ast.Expr(value=ast.Call(func=function)):
            return f"{ast.unparse(function)}()"
        case ast.Return():
            return "return"
    return ast.unparse(statement)
