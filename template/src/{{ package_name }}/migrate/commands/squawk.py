"""Squawk, which knows what each statement locks: https://squawkhq.com. Its wheel is one program,
which needs no network.
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

from ...paths import PROJECT_ROOT
from ...printable import one_line
from ..redaction import redacted_message
from .revision_sql import Statement

CONFIGURATION = PROJECT_ROOT / ".squawk.toml"

OPERATIONS = f"{__name__.partition('.')[0]}.migrate.operations"
OF_ITS_OWN = f"of {OPERATIONS}, in a revision of its own"

# What to write instead, for what this project has an answer of its own to.
REMEDIES = {
    "require-concurrent-index-creation": f"create_index_concurrently(…) {OF_ITS_OWN}",
    "require-concurrent-index-deletion": f"drop_index_concurrently(…) {OF_ITS_OWN}",
    "constraint-missing-not-valid": f"create_check_constraint_concurrently(…) or "
    f"create_foreign_key_concurrently(…) {OF_ITS_OWN}",
    "adding-foreign-key-constraint": f"create_foreign_key_concurrently(…) {OF_ITS_OWN}",
    "disallowed-unique-constraint": f"create_unique_constraint_concurrently(…) {OF_ITS_OWN}",
    "adding-not-nullable-field": f"set_not_null_concurrently(…) {OF_ITS_OWN}",
    "adding-required-field": "a server_default; or let it be NULL, fill it in the next revision, and "
    f"then set_not_null_concurrently(…) {OF_ITS_OWN}",
    "changing-column-type": "a column of the new type beside it; let the service write both, copy in "
    "batches, read the new one, and drop the old one at last",
    "renaming-column": "a column of the new name beside it, as for a changed type",
    "renaming-table": "a view of the old name, in the same revision, until nobody uses it",
    "ban-drop-column": "deploy code that does without it first, and then say so",
    "ban-drop-table": "deploy code that does without it first, and then say so",
    "ban-concurrent-index-creation-in-transaction": f"create_index_concurrently(…) {OF_ITS_OWN}",
}


class Remark(NamedTuple):
    """What Squawk says of one statement."""

    revision: str
    line: int  # of the revision's file
    rule: str
    message: str
    remedy: str | None


def remarks_on(revisions: dict[str, list[Statement]]) -> Iterable[Remark]:
    """What is dangerous in the SQL of revisions. What an operation of this project runs is not
    looked at: it takes care of itself.

    Args:
        revisions: the statements of each.

    Raises:
        CommandError: Squawk is not installed, or fails; the text says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines: dict[str, list[Statement]] = {}
        for revision, statements in revisions.items():
            path = Path(folder) / f"{revision}.sql"
            path.write_text("".join(f"{s.sql}\n" for s in statements), encoding="utf-8")
            lines[str(path)] = [s for s in statements for _ in range(s.sql.count("\n") + 1)]
        for found in _run(list(lines)):
            statement = lines[found["file"]][found["line"]]
            if statement.line is not None and not statement.is_safe:
                yield Remark(
                    Path(found["file"]).stem,
                    statement.line,
                    found["rule_name"],
                    redacted_message(found["message"], statement.sql),
                    REMEDIES.get(found["rule_name"]) or found["help"],
                )


def _run(paths: list[str]) -> list[dict[str, Any]]:
    if not paths:
        return []
    program = shutil.which("squawk", path=str(Path(sys.executable).parent))
    if program is None:
        raise CommandError(
            "squawk is not installed. It is a development dependency: uv add --dev squawk-cli"
        )
    settings = [f"--config={CONFIGURATION}"] if CONFIGURATION.exists() else []
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
        raise CommandError(f"squawk failed: {one_line(said)}") from None
    return found
