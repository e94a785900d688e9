"""The DB_* variables of a test run, and the temporary server that they name.

The variables are set before the project is imported, so the settings have their values from the
start. A project without DB_* settings gets the same database from `address_for_tests`. The server
starts when a test needs it.
"""

import os
import secrets
from pathlib import Path
from typing import Any

from alembic_live.address import Address
from alembic_live.errors import ConfigurationError

# Names of environment variables.
FOLDER = "ALEMBIC_LIVE_TEST_SERVER"  # the folder of the temporary server
RUN = "ALEMBIC_LIVE_TEST_RUN"  # the name of the test run
URL = "ALEMBIC_LIVE_TEST_URL"  # the URL of a server, instead of DB_HOST and the like

PORT = 5432  # only a part of the socket's name


def set_variables() -> None:
    """Set the DB_* variables to a server for tests and to a database of this process.

    The server is that of ALEMBIC_LIVE_TEST_URL or of DB_HOST in the environment. Without both, it
    is a temporary server. `.env` is never used.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if RUN not in os.environ:
        os.environ[RUN] = f"test_{secrets.token_hex(4)}"
        if os.environ.get(URL):
            _set_server_of_url(os.environ[URL])
        elif "DB_HOST" not in os.environ and os.name != "nt":
            _set_throwaway_server()
    os.environ["DB_NAME"] = f"{os.environ[RUN]}_{worker}"
    # `.env` may set DB_MIGRATION_*, which take precedence over DB_HOST and the like.
    for name in ("HOST", "PORT", "USER", "PASSWORD"):
        value = os.environ.get(f"DB_MIGRATION_{name}") or os.environ.get(f"DB_{name}", "")
        os.environ[f"DB_{name}"] = os.environ[f"DB_MIGRATION_{name}"] = value
    # It may set DB_READ_HOST, where the tests' rows are not.
    os.environ |= {"DB_READ_HOST": os.environ["DB_HOST"], "DB_READ_PORT": os.environ["DB_PORT"]}
    os.environ["DB_MIGRATION_ROLE"] = "none"  # as the tests' user
    os.environ["DB_POOLER"] = os.environ["DB_MIGRATION_POOLER"] = "none"


def address_for_tests(driver: str = "asyncpg") -> Address:
    """The address of this process's database, which the fixture `database` creates.

    Args:
        driver: SQLAlchemy's name of the driver.
    """
    sslmode: Any = os.environ.get("DB_SSLMODE") or "prefer"
    return Address(
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"] or PORT),
        user=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        name=os.environ["DB_NAME"],
        sslmode=sslmode,
        sslrootcert=os.environ.get("DB_SSLROOTCERT", ""),
        driver=driver,
        origin=f"{URL} or DB_HOST and the like",
    )


def start_server() -> None:
    """Start the temporary server, unless another process of the test run has started it.

    Raises:
        ConfigurationError: there is no server for tests.
    """
    if not os.environ["DB_HOST"]:
        raise ConfigurationError(
            f"There is no server for tests: a temporary one needs Linux or macOS. Set {URL} to a "
            "server, or DB_HOST and the like."
        )
    if FOLDER not in os.environ:
        return
    from alembic_live.postgres.local.cluster import Cluster
    from alembic_live.postgres.local.lock import exclusive
    from alembic_live.postgres.local.throwaway import lock_of

    folder = Path(os.environ[FOLDER])
    with exclusive(lock_of(folder)):
        cluster = Cluster(folder, throwaway=True, password=os.environ["DB_PASSWORD"])
        if not cluster.is_running:
            cluster.start(os.environ["DB_HOST"], PORT)


def remove_server() -> None:
    """Stop the temporary server and delete its files, in the first process of the test run."""
    if FOLDER in os.environ and "PYTEST_XDIST_WORKER" not in os.environ:
        from alembic_live.postgres.local.throwaway import remove

        remove(Path(os.environ[FOLDER]))


def _set_server_of_url(url: str) -> None:
    address = Address.from_url(url, URL)
    os.environ |= {
        "DB_HOST": address.host,
        "DB_PORT": str(address.port),
        "DB_USER": address.user,
        "DB_PASSWORD": address.password,
        "DB_SSLMODE": address.sslmode,
        "DB_SSLROOTCERT": address.sslrootcert,
    }


def _set_throwaway_server() -> None:
    from alembic_live.postgres.local.cluster import ADMIN
    from alembic_live.postgres.local.throwaway import new_folder

    folder = new_folder()
    os.environ |= {
        FOLDER: str(folder),
        "DB_HOST": str(folder / "data"),  # the directory of its unix socket
        "DB_PORT": str(PORT),
        "DB_USER": ADMIN,
        "DB_PASSWORD": secrets.token_urlsafe(24),
        "DB_SSLMODE": "disable",
    }
