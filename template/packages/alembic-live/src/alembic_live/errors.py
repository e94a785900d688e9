"""Errors whose text is a sentence for people: what is wrong, and what to do."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Error = Exception
else:
    # Alembic prints its CommandError without a traceback, also if env.py raises it while it imports
    # the project. A process that has not imported Alembic, as in the fast path, has no code that
    # catches CommandError.
    _Error = getattr(sys.modules.get("alembic.util.exc"), "CommandError", Exception)


class ConfigurationError(_Error):
    """A setting is missing or wrong. The text names it and never shows a secret."""


class ReadOnlyError(Exception):
    """A read-only session was about to write."""


class IncompatibleLibraryError(ConfigurationError):
    """A library has changed something that it does not document and that is used here."""
