"""Alembic's environment: what a project writes to use the library."""

import alembic_live
from alembic import context
from sqlalchemy import Connection

from my_service.database import project

for name, value in project.url_options().items():
    context.config.set_section_option(context.config.config_ini_section, name, value)


def configure(connection: Connection | None) -> None:
    context.configure(
        connection=connection,
        target_metadata=project.metadata,
        version_table_schema=project.schema,
        **alembic_live.options(project),
    )


alembic_live.run_migrations(project, configure)
