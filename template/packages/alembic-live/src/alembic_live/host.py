"""What a host may be in the DB_* settings."""

import re
from contextlib import suppress
from ipaddress import ip_address


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
