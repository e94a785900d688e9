"""What hosts and ports may be in the DB_* settings: one, or several with commas."""

import re
from contextlib import suppress
from ipaddress import ip_address


def require_hosts(value: str) -> str:
    """Refuse what is not a host, or several.

    Raises:
        ValueError: it is something else; the text says what it takes.
    """
    for host in value.split(",") if value else ():
        if not host:
            raise ValueError("a host between its commas is missing")
        require_host(host)
    return value


def require_ports(value: str) -> str:
    """Refuse what is not a port, or several.

    Raises:
        ValueError: it is something else; the text says what it takes.
    """
    for port in value.split(","):
        if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise ValueError("it takes a number from 1 to 65535, or several with commas")
    return value


def require_host(value: str) -> str:
    """Refuse a port, a password or a whole URL: part of it would be read as something else.

    Raises:
        ValueError: it is something else than a host; the text says what it takes.
    """
    if value and not value.startswith("/"):
        with suppress(ValueError):
            ip_address(value)
            return value
        if not re.fullmatch(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", value) or len(value) > 253:
            raise ValueError(
                "it takes a host name, an IP address without brackets, or the directory of a unix "
                "socket, and nothing else"
            )
    return value
