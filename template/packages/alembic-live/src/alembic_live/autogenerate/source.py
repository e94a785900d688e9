"""Whether what autogenerate writes is Python. A file that is not would stop every later command."""

import ast
from textwrap import indent
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

from alembic_live.autogenerate.rendering import display_name
from alembic_live.internals.alembic import rendered
from alembic_live.printable import one_line


def check_source(migration: MigrationContext, script: ops.MigrationScript) -> None:
    """Check a script before its file exists.

    Raises:
        CommandError: a part of it is not Python; the text names it.
    """
    if not _is_python(f'"""{script.message or ""}\n"""'):
        raise CommandError(
            f"No revision was written. The message {one_line(script.message or '')!r} cannot stand "
            'in the docstring of a file: leave out """ and backslashes.'
        )
    context = AutogenContext(migration)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    for container in (script.upgrade_ops, script.downgrade_ops):
        for item in container.ops:
            for part in item.ops if isinstance(item, ops.OpContainer) else [item]:
                _check_operation(context, part)
    for line in sorted(context.imports):
        if not _is_python(line):
            raise CommandError(
                f"No revision was written. Autogenerate would import {one_line(line)!r}, which is "
                "not Python. Correct render_item in migrations/env.py, which adds the import."
            )


def _check_operation(context: AutogenContext, item: Any) -> None:
    code = rendered(context, item)
    if not _is_python(f"def revision():\n    pass\n{indent(code, '    ')}"):
        table = getattr(item, "table_name", None) or getattr(item, "source_table", None)
        column = getattr(item, "column_name", None) or getattr(
            getattr(item, "column", None), "name", None
        )
        place = display_name(getattr(item, "schema", None), table, column)
        raise CommandError(
            f"No revision was written. {type(item).__name__}{f' for {place}' if place else ''} would "
            f"be written as {one_line(code)!r}, which is not Python. A type, a default or an option "
            "of the model has no form in Python. Correct it, or write it with render_item in "
            "alembic_live.options()."
        )


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True
