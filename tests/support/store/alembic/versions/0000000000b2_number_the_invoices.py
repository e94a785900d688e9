"""Number the invoices

Revision ID: 0000000000b2
Revises: 0000000000a1
Create Date: 2024-02-01 00:00:00

"""

import sqlalchemy as sa
from alembic import op

revision = "0000000000b2"
down_revision = "0000000000a1"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column(
        "invoices",
        sa.Column("number", sa.String(), server_default="", nullable=False),
        schema="billing",
    )
    op.execute("UPDATE billing.invoices SET number = id::text")
    op.alter_column("invoices", "number", server_default=None, schema="billing")
    op.create_unique_constraint(
        op.f("invoices_number_unique"), "invoices", ["number"], schema="billing"
    )


def downgrade():
    op.drop_column("invoices", "number", schema="billing")
