"""Fixtures of every tier: a Postgres server, and empty databases on it."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import prefork
import pytest
from pgbouncer import find_pgbouncer
from server import Database
from shared import shared_folder


def pytest_configure(config: pytest.Config) -> None:
    """The suite takes the same generated cases each time, its long form new ones."""
    # Whoever starts the suite in the background, or with nohup, has these signals ignored, and
    # programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    is_short = config.option.markexpr == "not full"
    hypothesis.settings.register_profile("suite", derandomize=is_short, deadline=None)
    hypothesis.settings.load_profile("suite")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for servers and for locks."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _typed(request: pytest.FixtureRequest) -> None:
    """Whether commands run in a process of their own, as a person types them."""
    prefork.enabled = request.node.get_closest_marker("typed") is None


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what all workers use."""
    return shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    """A server: the one of the DB_* variables where they are set, else a throwaway one."""
    if "DB_HOST" in os.environ:
        yield Database.of(os.environ)
        return
    from alembic_live.postgres.local.cluster import Cluster, free_port

    memory = Path("/dev/shm")
    folder = Path(
        tempfile.mkdtemp(prefix="alembic-live-suite-", dir=memory if memory.is_dir() else None)
    )
    cluster = Cluster(folder / "cluster", throwaway=True)
    try:
        folder.chmod(0o711)  # the server's account is another one
        cluster.start("127.0.0.1", free_port("127.0.0.1"))
        address = cluster.admin_address
        yield Database(address.host, address.port, address.user, address.password, address.name)
    finally:
        cluster.remove()
        shutil.rmtree(folder)


@pytest.fixture
def database(server: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database, named after the test."""
    name = re.sub(r"\W+", "_", request.node.name)[:40]
    with server.another(f"{name}_{os.getpid()}") as database:
        yield database


@pytest.fixture(scope="session")
def pgbouncer(pytestconfig: pytest.Config) -> Path:
    """PgBouncer's program."""
    assert pytestconfig.cache
    return find_pgbouncer(pytestconfig.cache.mkdir("pgbouncer"))
