"""Types as a revision writes them."""

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.runtime.migration import MigrationContext
from alembic_live.autogenerate.column_types import render_type, sql_of
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

TYPES: list[TypeEngine[Any]] = [
    sa.CHAR(32), sa.String(5), sa.Text(), sa.BigInteger(), sa.DateTime(timezone=True), sa.Date(),
    sa.Time(), sa.Numeric(5, 2), sa.Float(), sa.Boolean(), sa.LargeBinary(), sa.JSON(), sa.Uuid(),
    sa.Interval(), postgresql.JSONB(), postgresql.UUID(as_uuid=False), postgresql.INTERVAL(),
    postgresql.ARRAY(sa.Text), postgresql.INT4RANGE(), postgresql.OID(), postgresql.BYTEA(),
]  # fmt: skip


@pytest.mark.parametrize("type_", TYPES, ids=repr)
def test_the_type_of_a_decorator_for_this_dialect_can_be_written(type_: TypeEngine[Any]) -> None:
    """SQLAlchemy's recipe for a UUID or JSON on every database. With a driver's dialect,
    `type_descriptor` gives classes of the driver.
    """

    class OnEveryDatabase(sa.TypeDecorator[Any]):
        impl = sa.Text
        cache_ok = True

        def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
            assert dialect.driver
            return dialect.type_descriptor(type_)

    context = AutogenContext(
        MigrationContext.configure(
            dialect_name="postgresql",
            opts={"sqlalchemy_module_prefix": "sa.", "user_module_prefix": None},
        )
    )
    written = render_type(OnEveryDatabase(), context)
    assert written
    assert sql_of(eval(written, {"sa": sa, "postgresql": postgresql, "Text": sa.Text})) == sql_of(
        type_
    )
