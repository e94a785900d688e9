"""What `db lint --explain RULE` prints: the danger, the reason, unsafe code and safe code."""

from typing import NamedTuple

from alembic.util import CommandError

from alembic_live.printable import one_line

SQUAWK = "https://squawkhq.com/docs"


class Rule(NamedTuple):
    """A rule for people."""

    danger: str
    why: str
    unsafe: str
    safe: str


LATER = "# in the next revision, after the deploy:"

RULES = {
    "require-concurrent-index-creation": Rule(
        "CREATE INDEX blocks writes to the table until the index is complete.",
        "It holds a SHARE lock while it scans the table.",
        'op.create_index("ix_notes_title", "notes", ["title"])',
        'create_index_concurrently("ix_notes_title", "notes", ["title"])',
    ),
    "require-concurrent-index-deletion": Rule(
        "DROP INDEX blocks reads and writes of the table.",
        "It waits for an ACCESS EXCLUSIVE lock. Every later query waits behind it.",
        'op.drop_index("ix_notes_title", "notes")',
        'drop_index_concurrently("ix_notes_title", "notes")',
    ),
    "ban-concurrent-index-creation-in-transaction": Rule(
        "CREATE INDEX CONCURRENTLY fails in a transaction.",
        "Postgres commits between its phases, and a revision is one transaction.",
        'op.create_index("ix", "notes", ["title"], postgresql_concurrently=True)',
        'create_index_concurrently("ix", "notes", ["title"])',
    ),
    "constraint-missing-not-valid": Rule(
        "A new check blocks reads and writes while Postgres scans the table.",
        "ADD CONSTRAINT holds an ACCESS EXCLUSIVE lock during the scan.",
        'op.create_check_constraint("ck_notes_title", "notes", "title <> \'\'")',
        'create_check_constraint_concurrently("ck_notes_title", "notes", "title <> \'\'")',
    ),
    "adding-foreign-key-constraint": Rule(
        "A new foreign key blocks writes to both tables while Postgres scans them.",
        "ADD CONSTRAINT holds a SHARE ROW EXCLUSIVE lock on both during the scan.",
        'op.create_foreign_key("fk", "notes", "users", ["user_id"], ["id"])',
        'create_foreign_key_concurrently("fk", "notes", "users", ["user_id"], ["id"])',
    ),
    "disallowed-unique-constraint": Rule(
        "A new unique constraint blocks reads and writes while Postgres builds its index.",
        "ADD CONSTRAINT UNIQUE holds an ACCESS EXCLUSIVE lock.",
        'op.create_unique_constraint("uq_notes_title", "notes", ["title"])',
        'create_unique_constraint_concurrently("uq_notes_title", "notes", ["title"])',
    ),
    "adding-not-nullable-field": Rule(
        "SET NOT NULL blocks reads and writes while Postgres scans the table.",
        "It holds an ACCESS EXCLUSIVE lock, and fails if a row has NULL.",
        'op.alter_column("notes", "title", nullable=False)',
        'set_not_null_concurrently("notes", "title")',
    ),
    "adding-required-field": Rule(
        "A NOT NULL column without a default fails on a table with rows.",
        "Running code that does not know the column cannot insert rows either.",
        'op.add_column("notes", sa.Column("pages", sa.Integer, nullable=False))',
        'op.add_column("notes", sa.Column("pages", sa.Integer))\n'
        f'{LATER} fill the rows\nset_not_null_concurrently("notes", "pages")',
    ),
    "changing-column-type": Rule(
        "A new type can rewrite the table. Reads and writes wait until it is complete.",
        "ALTER COLUMN TYPE holds an ACCESS EXCLUSIVE lock. A longer varchar changes no row: say "
        "the old type, as existing_type, and lint knows it.",
        'op.alter_column("notes", "id", type_=sa.BigInteger())',
        'op.add_column("notes", sa.Column("new_id", sa.BigInteger))\n'
        f"{LATER} copy the rows in batches, let the code use the new column, drop the old one",
    ),
    "renaming-column": Rule(
        "Running code fails: it uses the old name.",
        "During a deploy, old and new code run side by side.",
        'op.alter_column("notes", "title", new_column_name="subject")',
        'op.add_column("notes", sa.Column("subject", sa.Text))\n'
        f"{LATER} copy the rows, let the code use the new column, drop the old one",
    ),
    "renaming-table": Rule(
        "Running code fails: it uses the old name.",
        "During a deploy, old and new code run side by side.",
        'op.rename_table("notes", "entries")',
        'op.rename_table("notes", "entries")\n'
        'op.execute("CREATE VIEW notes AS SELECT * FROM entries")',
    ),
    "ban-drop-column": Rule(
        "Running code fails if it uses the column, and the data is lost.",
        "SQLAlchemy names every column of a model in each SELECT.",
        'op.drop_column("notes", "pages")',
        "# First deploy code without the column. Then:\n"
        "# squawk-ignore ban-drop-column: unused since 1.4\n"
        'op.drop_column("notes", "pages")',
    ),
    "ban-drop-table": Rule(
        "Running code fails if it uses the table, and the data is lost.",
        "A downgrade creates the table again, without its rows.",
        'op.drop_table("notes")',
        "# First deploy code without the table. Then:\n"
        "# squawk-ignore ban-drop-table: unused since 1.4\n"
        'op.drop_table("notes")',
    ),
    "many-rows-in-one-transaction": Rule(
        "A change of all rows blocks their writers until it is committed.",
        "Each row stays locked until the revision commits. If the table is small, allow it.",
        'op.execute("UPDATE notes SET pages = 1 WHERE pages IS NULL")',
        'update_in_batches("notes", "pages = 1", where="pages IS NULL")',
    ),
    "several-heads": Rule(
        "`upgrade head` fails.",
        "Two revisions follow the same one, so there is no newest revision.",
        "git merge main  # with a revision on each branch",
        "uv run db rebase",
    ),
    "head-file": Rule(
        "A merge of two branches with revisions can pass unnoticed.",
        "git reports a conflict in head.txt only if every revision changes it.",
        "rm migrations/head.txt",
        "git checkout main -- migrations/head.txt && uv run db rebase",
    ),
    "unsound-history": Rule(
        "No command can read the history.",
        "A revision is missing, or two have one id.",
        "cp migrations/versions/1_one.py migrations/versions/2_two.py",
        'uv run alembic revision -m "two"',
    ),
    "broken-revision": Rule(
        "The upgrade fails, and the deploy with it.",
        "The code of the revision raises an error before any database is asked.",
        'op.create_tabel("notes")',
        'op.create_table("notes")',
    ),
    "edited-revision": Rule(
        "Databases differ: those with the revision do not get the change.",
        "Alembic runs each revision once.",
        "git commit migrations/versions/  # with a changed old revision",
        'uv run alembic revision -m "the change"',
    ),
    "deleted-revision": Rule(
        "A database that has the revision cannot be migrated.",
        "Alembic does not find the revision that the database names.",
        "git rm migrations/versions/2024_one.py",
        'uv run alembic revision -m "undo it"',
    ),
    "empty-upgrade": Rule(
        "The revision does nothing.",
        "It is a leftover, or its statements are forgotten.",
        "def upgrade() -> None:\n    pass",
        'def upgrade() -> None:\n    op.add_column("notes", sa.Column("pages", sa.Integer))',
    ),
    "empty-downgrade": Rule(
        "`alembic downgrade` reports success and changes nothing.",
        "The next upgrade fails, because the objects exist.",
        "def downgrade() -> None:\n    pass",
        'def downgrade() -> None:\n    op.drop_column("notes", "pages")',
    ),
    "irreversible-without-a-reason": Rule(
        "Nobody knows later why the revision has no way back.",
        "`alembic downgrade`, `db plan`, `db remove` and `db squash` show the reason.",
        "def downgrade() -> None:\n    raise NotImplementedError",
        'def downgrade() -> None:\n    raise NotImplementedError("Rows of both are in one now.")',
    ),
    "ignored-without-a-reason": Rule(
        "A reviewer cannot tell whether the exception is still right.",
        "The comment allows a dangerous statement, and says no reason.",
        "# squawk-ignore ban-drop-column",
        "# squawk-ignore ban-drop-column: unused since 1.4",
    ),
    # Those of `db plan`.
    "blocks-reads": Rule(
        "Reads and writes of the table wait until the revision commits.",
        "It holds an ACCESS EXCLUSIVE lock, and every later query waits behind it.",
        'op.drop_column("notes", "pages")\nop.create_index("ix", "notes", ["title"])',
        f'op.drop_column("notes", "pages")\n{LATER}\n'
        'create_index_concurrently("ix", "notes", ["title"])',
    ),
    "blocks-writes": Rule(
        "Writes to the table wait until the revision commits.",
        "It holds a SHARE lock or a stronger one.",
        'op.create_index("ix_notes_title", "notes", ["title"])',
        'create_index_concurrently("ix_notes_title", "notes", ["title"])',
    ),
    "blocks-rows": Rule(
        "Writers of the same rows wait until the revision commits.",
        "Each row that it changes stays locked until then.",
        'op.execute("UPDATE notes SET pages = 1 WHERE pages IS NULL")',
        'update_in_batches("notes", "pages = 1", where="pages IS NULL")',
    ),
    "loses-data": Rule(
        "The data is gone after the revision.",
        "A downgrade creates the table or the column again, without its data.",
        'op.drop_column("notes", "pages")',
        "# First deploy code without the column, and save what is needed. Then:\n"
        'op.drop_column("notes", "pages")',
    ),
    "fails": Rule(
        "The revision fails, and the deploy with it.",
        "It fails on a copy of the schema without rows. If it only needs rows, test it with some.",
        'op.drop_column("notes", "pagse")',
        'op.drop_column("notes", "pages")',
    ),
}


def explain(name: str) -> str:
    """The explanation of a rule.

    Raises:
        CommandError: alembic-live has no explanation of it.
    """
    rule = RULES.get(name)
    if rule is None:
        raise CommandError(
            f"alembic-live has no explanation of {one_line(name)!r}. Squawk explains its rules at "
            f"{SQUAWK}/rules. These have one here: {', '.join(sorted(RULES))}."
        )
    return "\n".join(
        [
            f"{name}: {rule.danger}",
            f"Why: {rule.why}",
            "Unsafe:",
            *(f"    {line}" for line in rule.unsafe.splitlines()),
            "Safe:",
            *(f"    {line}" for line in rule.safe.splitlines()),
        ]
    )
