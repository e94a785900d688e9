"""TLS in the terms of each driver: what libpq calls sslmode, sslrootcert, sslcert and sslkey."""

from dataclasses import dataclass
from typing import Any, Literal

from alembic_live.errors import ConfigurationError

SSLMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

SYSTEM = "system"  # the authorities of the system, as sslrootcert


@dataclass(frozen=True, slots=True)
class TLS:
    """https://www.postgresql.org/docs/current/libpq-ssl.html: with a root certificate, `require`
    verifies the server's as `verify-ca` does. A client certificate needs TLS.

    Attributes:
        origin: the place of the settings, for messages; empty for the DB_* settings.
    """

    mode: SSLMode
    root: str = ""
    certificate: str = ""
    key: str = ""
    origin: str = ""

    @property
    def for_libpq(self) -> dict[str, str]:
        """The parameters of libpq."""
        if self.mode == "disable":
            return {"sslmode": self.mode}
        found = {
            "sslmode": "require" if self._needs_tls else self.mode,
            "sslrootcert": self.root or (SYSTEM if self.mode == "verify-full" else ""),
            "sslcert": self.certificate,
            "sslkey": self.key,
        }
        return {name: value for name, value in found.items() if value}

    @property
    def for_asyncpg(self) -> Any:
        """The argument `ssl`: an SSLContext, or the mode if no certificate is used.

        Raises:
            ConfigurationError: a certificate cannot be read.
        """
        if self.mode == "disable" or not (self._verifies or self.certificate):
            return self.mode
        return self.context()

    def context(self) -> Any:
        """The ssl.SSLContext of a client.

        Raises:
            ConfigurationError: a certificate cannot be read.
        """
        import ssl  # slow to import, and unencrypted connections do not need it

        root = "" if self.root == SYSTEM else self.root
        try:
            context = ssl.create_default_context(cafile=root or None)
        except OSError as error:
            raise ConfigurationError(
                f"{self._named('sslrootcert')} is {root}, which is not a file of certificates: {error}"
            ) from error
        context.check_hostname = self.mode == "verify-full"
        if not self._verifies:
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            try:
                # Without a password, OpenSSL would ask for one on the terminal.
                context.load_cert_chain(self.certificate, self.key or None, password="")
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    f"{self._named('sslcert')} is {self.certificate} and {self._named('sslkey')} is "
                    f"{self.key or 'not set'}, which are not a certificate and its key without a "
                    f"passphrase: {error}"
                ) from error
        return context

    @property
    def _verifies(self) -> bool:
        strict = self.mode in ("verify-ca", "verify-full")
        return strict or (self.mode == "require" and bool(self.root))

    @property
    def _needs_tls(self) -> bool:
        return bool(self.certificate) and self.mode in ("allow", "prefer")

    def _named(self, parameter: str) -> str:
        return f"{parameter} in {self.origin}" if self.origin else f"DB_{parameter.upper()}"
