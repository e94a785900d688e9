"""Squawk, a linter for SQL that knows which lock each statement takes: https://squawkhq.com

Its wheel contains one program, which needs no network.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from alembic.util import CommandError

from alembic_live.commands.lint.revision_sql import RevisionStatement
from alembic_live.commands.lint.storage import keeps_storage
from alembic_live.printable import one_line
from alembic_live.project import Project
from alembic_live.sql.redaction import redacted_message

# No query names an index, and hardly one names a constraint.
UNNOTICED = ("Renaming an index", "Renaming a constraint")
CONFIGURATION = ".squawk.toml"

# Without that file. The first four are what the library does for each revision: a transaction, and
# limits on locks and statements. The others are matters of taste.
EXCLUDED = (
    "require-lock-timeout",
    "require-statement-timeout",
    "require-timeout-settings",
    "prefer-robust-stmts",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-text-field",
    "require-enum-value-ordering",
)

OPERATIONS = "alembic_live.operations"
SEPARATE = f"from {OPERATIONS}, in a separate revision"

# What to write instead, if the library has an operation or a procedure for it.
REMEDIES = {
    "require-concurrent-index-creation": f"create_index_concurrently(…) {SEPARATE}",
    "require-concurrent-index-deletion": f"drop_index_concurrently(…) {SEPARATE}",
    "constraint-missing-not-valid": f"create_check_constraint_concurrently(…) or "
    f"create_foreign_key_concurrently(…) {SEPARATE}",
    "adding-foreign-key-constraint": f"create_foreign_key_concurrently(…) {SEPARATE}",
    "disallowed-unique-constraint": f"create_unique_constraint_concurrently(…) {SEPARATE}",
    "adding-not-nullable-field": f"set_not_null_concurrently(…) {SEPARATE}",
    "adding-required-field": "add a server_default; or add a nullable column, fill it in the next revision, and "
    f"then set_not_null_concurrently(…) {SEPARATE}",
    "changing-column-type": "add a second column with the new type; let the service write both, copy "
    "the rows in batches, switch reads to the new column, and drop the old one",
    "renaming-column": "add a second column with the new name, and proceed as for a changed type",
    "renaming-table": "also create a view with the old name, in the same revision, and drop it when "
    "no code uses it",
    "ban-drop-column": "first deploy code that does not use it, then allow this statement with a "
    "comment",
    "ban-drop-table": "first deploy code that does not use it, then allow this statement with a "
    "comment",
    "ban-concurrent-index-creation-in-transaction": f"create_index_concurrently(…) {SEPARATE}",
}


class Violation(NamedTuple):
    """A rule of Squawk that one statement violates."""

    revision: str
    line: int  # in the revision's file
    rule: str
    message: str
    remedy: str | None


def find_violations(
    project: Project, revisions: dict[str, list[RevisionStatement]]
) -> Iterable[Violation]:
    """The dangerous statements of revisions. Statements of the library's own operations are left
    out: they are safe.

    Args:
        revisions: the statements of each revision, by its id.

    Raises:
        CommandError: Squawk or the parser is not installed, or Squawk fails; the text says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines: dict[str, list[RevisionStatement]] = {}
        for revision, statements in revisions.items():
            path = Path(folder) / f"{revision}.sql"
            path.write_text("".join(f"{s.sql}\n" for s in statements), encoding="utf-8")
            lines[str(path)] = [s for s in statements for _ in range(s.sql.count("\n") + 1)]
        for found in _run(project, list(lines)):
            statement = lines[found["file"]][found["line"]]
            if _is_harmless(found, statement):
                continue
            if statement.line is not None and not statement.is_safe:
                yield Violation(
                    Path(found["file"]).stem,
                    statement.line,
                    found["rule_name"],
                    redacted_message(found["message"], statement.sql),
                    REMEDIES.get(found["rule_name"]) or found["help"],
                )


def _is_harmless(found: dict[str, Any], statement: RevisionStatement) -> bool:
    """Whether Squawk finds fault with what Postgres and running clients do not notice."""
    match found["rule_name"]:
        case "changing-column-type":
            old, new = statement.types or (None, "")
            return old is not None and keeps_storage(old, new)
        case "renaming-object":
            return str(found["message"]).startswith(UNNOTICED)
        case "adding-field-with-default":  # a virtual column is computed when it is read
            is_generated = str(found["message"]).startswith("Adding a generated column")
            return is_generated and " STORED" not in statement.sql
    return False


def _run(project: Project, paths: list[str]) -> list[dict[str, Any]]:
    if not paths:
        return []
    program = shutil.which("squawk", path=str(Path(sys.executable).parent))
    if program is None:
        raise CommandError("Squawk is not installed. Add it: uv add --dev squawk-cli")
    configuration = project.folder / CONFIGURATION
    own = configuration.exists()
    settings = [f"--config={configuration}" if own else f"--exclude={','.join(EXCLUDED)}"]
    done = subprocess.run(
        [program, "--reporter=json", *settings, *paths],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        said = redacted_message((done.stderr or done.stdout).strip())
        raise CommandError(f"Squawk failed: {one_line(said)}") from None
    return found
