"""What libpq's sslmode and sslrootcert mean, for drivers that take Python's TLS."""

from typing import Any, Literal

from ..errors import ConfigurationError

SSLMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


def tls_of(sslmode: SSLMode, sslrootcert: str) -> Any:
    """The ssl.SSLContext that verifies the server's certificate; the mode itself where none does.

    https://www.postgresql.org/docs/current/libpq-ssl.html: with a root certificate, `require`
    verifies the certificate as `verify-ca` does.

    Raises:
        ConfigurationError: the root certificate cannot be read.
    """
    verifies = sslmode in ("verify-ca", "verify-full")
    if not verifies and not (sslmode == "require" and sslrootcert):
        return sslmode
    import ssl  # costs time that a plain connection need not take

    try:
        context = ssl.create_default_context(cafile=sslrootcert or None)
    except OSError as error:
        raise ConfigurationError(
            f"DB_SSLROOTCERT is {sslrootcert}, which is no file of certificates: {error}"
        ) from error
    context.check_hostname = sslmode == "verify-full"
    return context
