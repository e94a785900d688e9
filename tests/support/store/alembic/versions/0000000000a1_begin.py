"""Begin

Revision ID: 0000000000a1
Revises:
Create Date: 2024-01-01 00:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0000000000a1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE SCHEMA audit")
    op.execute("CREATE SCHEMA billing")
    op.create_table(
        "log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("log_pk")),
        schema="audit",
    )
    op.create_index(op.f("audit_log_text_idx"), "log", ["text"], schema="audit")
    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("price", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Enum("draft", "live", name="state"), nullable=False),
        sa.CheckConstraint("price >= 0", name=op.f("products_price_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("products_pk")),
        sa.UniqueConstraint("sku", name=op.f("products_sku_unique")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("invoices_pk")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["billing.invoices.id"], name=op.f("invoices_parent_id_ref")
        ),
        schema="billing",
    )


def downgrade():
    """It leaves the enum and the schemas, as many first revisions do."""
    op.drop_table("invoices", schema="billing")
    op.drop_table("products")
    op.drop_table("log", schema="audit")
