"""What a plan asks the live database, apart from its schema."""

from dataclasses import dataclass, field

from sqlalchemy import Connection

from alembic_live.commands.plan.estimates.sizes import Sizes, read_sizes
from alembic_live.commands.plan.publications import Publication, read_publications
from alembic_live.commands.plan.replication import STANDBYS
from alembic_live.postgres.connection import make_engine, with_connection
from alembic_live.postgres.watchdog import limited
from alembic_live.project import Project


@dataclass
class LiveFacts:
    """The sizes of its tables, its publications, and how many standbys are connected."""

    sizes: Sizes = field(default_factory=dict)
    publications: list[Publication] = field(default_factory=list)
    standbys: int = 0


def read_live_facts(project: Project) -> LiveFacts:
    """Read them in a transaction that is read-only."""

    def read(connection: Connection) -> LiveFacts:
        with limited(connection):
            sizes = read_sizes(connection)
            standbys = connection.exec_driver_sql(STANDBYS).scalar_one()
            return LiveFacts(sizes, read_publications(connection), standbys)

    return with_connection(make_engine(project.migration_address), read)
