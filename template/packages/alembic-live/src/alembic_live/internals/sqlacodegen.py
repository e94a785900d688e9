"""What is used of sqlacodegen. Its README invites to derive from a generator and to override methods,
and names none of them.
"""

from importlib import import_module
from typing import Any

from alembic_live.internals import Internal, attribute, require

LIBRARY = "sqlacodegen"
MODULE = "sqlacodegen.generators"

# Values of enums need not be names in Python, nor is a key that is a reference a subclass.
OPTIONS = ("include_dialect_options", "nojoined", "nonativeenums", "nosyntheticenums")

# What is overridden or called.
_METHODS = (
    *("add_import", "add_literal_import", "find_free_name", "generate", "generate_base"),
    *("render_class", "render_class_declaration", "render_class_variables", "render_column"),
    *("render_column_attribute", "render_column_type", "render_constraint", "render_index"),
    "render_relationship",
)


def generators() -> Any:
    """The module with DeclarativeGenerator, Base and LiteralImport. It is no dependency of the library:
    a person installs it for one command.

    Raises:
        IncompatibleLibraryError: it has other methods or options.
    """
    require(MODELS)
    return import_module(MODULE)


def _knows_the_options() -> bool:
    return set(OPTIONS) <= set(import_module(MODULE).DeclarativeGenerator.valid_options)


MODELS = (
    attribute(LIBRARY, MODULE, "LiteralImport"),
    attribute(LIBRARY, MODULE, "Base"),
    *(attribute(LIBRARY, MODULE, f"DeclarativeGenerator.{name}") for name in _METHODS),
    Internal(LIBRARY, f"the options {', '.join(OPTIONS)}", _knows_the_options),
)
