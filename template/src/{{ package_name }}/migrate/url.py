"""The %(DB_...)s in alembic.ini."""

from urllib.parse import quote

from alembic.config import Config

from ..database.address import Address


def fill_in_url(config: Config, address: Address, driver: str) -> None:
    """Give alembic.ini's section the options that its URL is written with.

    A value goes through two readers: the URL's, for which it is percent-encoded, and before that
    ConfigParser's, for which a percent sign is doubled.
    """
    in_a_socket = address.socket_directory is not None
    host = f"[{address.host}]" if ":" in address.host else address.host
    options = {
        "DB_DRIVER": driver,
        "DB_USER": _encode(address.user),
        "DB_PASSWORD": _encode(address.password),
        "DB_HOST": "" if in_a_socket else host,
        "DB_PORT": str(address.port),
        "DB_NAME": _encode(address.name),
        # A socket's directory in the host's place would be taken for no host at all.
        "DB_QUERY": f"?host={_encode(address.host)}" if in_a_socket else "",
    }
    for name, value in options.items():
        config.set_section_option(config.config_ini_section, name, value.replace("%", "%%"))


def _encode(value: str) -> str:
    return quote(value, safe="")
