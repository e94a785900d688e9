"""Errors that a person can mend: the text says what is wrong and what to do."""


class ConfigurationError(Exception):
    """A setting is missing or wrong; the text names it, and never shows a secret."""


class ReadOnlyError(Exception):
    """A session that was made for reading was about to write."""
