import alembic_live
from alembic import context
from core.migrations import project


def include_object(item, name, kind, reflected, compare_to):
    return not (kind == "table" and name.startswith("legacy_"))


def configure(connection):
    context.configure(
        connection=connection,
        target_metadata=project.metadata,
        version_table="store_history",
        **alembic_live.options(project, include_object=include_object),
    )


alembic_live.run_migrations(project, configure)
