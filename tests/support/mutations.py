"""What goes wrong with migrations by hand: each does one thing wrong in a healthy project."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from project import Project

UP = '    """Bring the schema to this revision."""\n'
DOWN = '    """Take the schema back to the revision before."""\n'

MODEL = """\
\"\"\"Orders.\"\"\"

import enum

from sqlalchemy import CheckConstraint, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from ..base import Base


class State(enum.Enum):
    \"\"\"How far an order is.\"\"\"

    OPEN = "open"
    DONE = "done"


class Order(Base):
    \"\"\"An order.\"\"\"

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        Index("ix_orders_large", "amount", postgresql_where=text("amount > 100")),
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    amount: Mapped[int]
    urgent: Mapped[bool] = mapped_column(server_default=text("false"))
    note: Mapped[str | None]
    state: Mapped[State]
"""


def make_healthy(project: Project) -> None:
    """Notes and orders, a revision each, and one that adds an index; all of it applied."""
    project.alembic("upgrade", "head")
    project.write_model("order", MODEL)
    project.alembic("revision", "--autogenerate", "-m", "orders")
    project.alembic("upgrade", "head")
    change_model(
        project, "note: Mapped[str | None]", "note: Mapped[str | None] = mapped_column(index=True)"
    )
    project.alembic("revision", "--autogenerate", "-m", "index")
    project.alembic("upgrade", "head")


def model(project: Project) -> Path:
    return project.models / "order.py"


def change_model(project: Project, old: str, new: str) -> None:
    source = model(project).read_text()
    assert source.count(old) == 1, old
    model(project).write_text(source.replace(old, new))


def revision(project: Project, name: str) -> Path:
    return project.file(f"migrations/versions/*_{name}.py")


def change_revision(project: Project, name: str, old: str, new: str) -> None:
    path = revision(project, name)
    source = path.read_text()
    assert old in source, old
    path.write_text(source.replace(old, new))


def add_revision(project: Project, up: str, down: str) -> None:
    project.alembic("revision", "-m", "bad")
    change_revision(project, "bad", UP, f"{UP}    {up}\n")
    change_revision(project, "bad", DOWN, f"{DOWN}    {down}\n")


def a_missing_revision(project: Project) -> None:
    revision(project, "orders").unlink()


def two_heads(project: Project) -> None:
    for name in ("one", "two"):
        project.alembic("revision", "-m", name, "--head", "5f0e1c2d3a4b", "--splice")


def a_duplicate_id(project: Project) -> None:
    add_revision(project, 'op.execute("SELECT 1")', 'op.execute("SELECT 1")')
    path = revision(project, "bad")
    path.write_text(
        re.sub(r'^(revision.* = )".*"', r'\1"5f0e1c2d3a4b"', path.read_text(), flags=re.M)
    )


def an_empty_downgrade(project: Project) -> None:
    add_revision(project, 'op.execute("CREATE VIEW v AS SELECT 1")', "pass")


def a_leftover_enum(project: Project) -> None:
    path = revision(project, "orders")
    lines = [
        line for line in path.read_text().splitlines(True) if ".drop(op.get_bind())" not in line
    ]
    path.write_text("".join(lines))


def an_orphan_table(project: Project) -> None:
    add_revision(project, 'op.execute("CREATE TABLE orphan (id int)")', 'op.drop_table("orphan")')


def a_check_on_a_column(project: Project) -> None:
    check = 'mapped_column(CheckConstraint("amount < 99", name="small"))'
    change_model(project, "amount: Mapped[int]\n", f"amount: Mapped[int] = {check}\n")


def a_changed_default(project: Project) -> None:
    change_model(project, 'text("false")', 'text("true")')


def a_changed_check(project: Project) -> None:
    change_model(project, '"amount > 0"', '"amount > 1"')


def a_changed_condition_of_an_index(project: Project) -> None:
    change_model(project, 'text("amount > 100")', 'text("amount > 200")')


def an_index_that_no_model_has(project: Project) -> None:
    change_model(project, "mapped_column(index=True)", "mapped_column()")


def an_enum_value_without_a_revision(project: Project) -> None:
    change_model(project, '    DONE = "done"\n', '    DONE = "done"\n    LOST = "lost"\n')


def a_column_without_a_revision(project: Project) -> None:
    model(project).write_text(MODEL + "    customer: Mapped[str | None]\n")


def an_edited_old_revision(project: Project) -> None:
    first = project.versions[0]
    first.write_text(first.read_text().replace("length=200", "length=250"))


def a_not_null_that_fails_on_rows(project: Project) -> None:
    change_model(project, "note: Mapped[str | None]", "note: Mapped[str]")
    project.alembic("revision", "--autogenerate", "-m", "bad")


def a_unique_constraint_that_fails_on_rows(project: Project) -> None:
    change_model(
        project, 'server_default=text("false")', 'server_default=text("false"), unique=True'
    )
    project.alembic("revision", "--autogenerate", "-m", "bad")


def a_column_that_rows_cannot_get(project: Project) -> None:
    add_revision(
        project,
        'op.add_column("orders", sa.Column("customer", sa.Integer(), nullable=False))',
        'op.drop_column("orders", "customer")',
    )
    model(project).write_text(model(project).read_text() + "    customer: Mapped[int]\n")


def an_orphan_model_module(project: Project) -> None:
    source = MODEL.replace("..base", ".database.base").replace("orders", "elsewhere")
    (model(project).parents[2] / "billing.py").write_text(source.replace("State", "Billing"))


def a_model_that_does_not_import(project: Project) -> None:
    project.write_model("broken", "import nowhere\n")


def a_blocking_index(project: Project) -> None:
    add_revision(
        project,
        'op.create_index("ix_orders_urgent", "orders", ["urgent"])',
        'op.drop_index("ix_orders_urgent")',
    )
    change_model(
        project,
        'server_default=text("false")',
        'server_default=text("false"), index=True',
    )


def a_column_lost_in_a_rename(project: Project) -> None:
    change_model(project, "note: Mapped", "remark: Mapped")
    add_revision(
        project,
        'op.drop_column("orders", "note"); op.add_column("orders", sa.Column("remark", sa.String()))',
        'op.drop_column("orders", "remark"); op.add_column("orders", sa.Column("note", sa.String()))',
    )


def a_downgrade_that_takes_too_much(project: Project) -> None:
    add_revision(
        project,
        'op.execute("CREATE VIEW v AS SELECT 1")',
        'op.execute("DROP VIEW v"); op.drop_table("notes")',
    )


def a_head_that_git_has_merged_wrongly(project: Project) -> None:
    path = project.path / "migrations" / "head.txt"
    path.write_text(f"<<<<<<< HEAD\n{path.read_text()}=======\n0123456789ab\n>>>>>>> other\n")


def a_schema_file_that_is_not_written_anew(project: Project) -> None:
    project.db("schema")
    add_revision(project, 'op.execute("CREATE VIEW v AS SELECT 1")', 'op.execute("DROP VIEW v")')


@dataclass(frozen=True)
class Mutation:
    """A mistake, and the words that the gate that catches it must say."""

    make: Callable[[Project], None]
    words: tuple[str, ...]


MUTATIONS = [
    Mutation(a_missing_revision, ("does not exist, but another revision follows it", "_index.py")),
    Mutation(two_heads, ("branches that have diverged", "uv run db rebase")),
    Mutation(a_duplicate_id, ("Two files have the revision id 5f0e1c2d3a4b", "_bad.py")),
    Mutation(an_empty_downgrade, ("_bad.py", "does not restore the schema")),
    Mutation(a_leftover_enum, ("_orders.py", "does not restore the schema")),
    Mutation(an_orphan_table, ("remove_table", "orphan")),
    Mutation(a_check_on_a_column, ("table orders", "small", "<- the models")),
    Mutation(a_changed_default, ("modify_default", "urgent")),
    Mutation(a_changed_check, ("table orders", "amount > 1", "<- the models")),
    Mutation(a_changed_condition_of_an_index, ("index ix_orders_large", "amount > 200")),
    Mutation(an_index_that_no_model_has, ("remove_index", "ix_orders_note")),
    Mutation(an_enum_value_without_a_revision, ("state", "LOST")),
    Mutation(a_column_without_a_revision, ("add_column", "customer")),
    Mutation(an_edited_old_revision, ("edited-revision", "create_notes.py")),
    Mutation(a_not_null_that_fails_on_rows, ("_bad.py", "fails on tables with rows", "note")),
    Mutation(a_unique_constraint_that_fails_on_rows, ("_bad", "fails on tables with rows")),
    Mutation(a_column_that_rows_cannot_get, ("_bad.py", "fails on tables with rows", "customer")),
    Mutation(
        an_orphan_model_module,
        ("billing.py", "these models are outside the modules in Project(models=…)"),
    ),
    Mutation(
        a_model_that_does_not_import,
        ("The models in my_service.database.models.broken cannot be loaded",),
    ),
    Mutation(a_blocking_index, ("_bad.py", "require-concurrent-index-creation")),
    Mutation(a_column_lost_in_a_rename, ("_bad.py", "ban-drop-column")),
    Mutation(a_downgrade_that_takes_too_much, ("_bad.py", "does not restore the schema")),
    Mutation(
        a_schema_file_that_is_not_written_anew,
        ("schema.sql is not up to date", "uv run db schema"),
    ),
    Mutation(a_head_that_git_has_merged_wrongly, ("head.txt names", "uv run db rebase")),
]
