"""The comparisons of this library, as plugins of Alembic. The import registers them."""

from alembic.runtime.plugins import Plugin

from alembic_live.autogenerate import (
    column_types,
    domains,
    enums,
    foreign_keys,
    numbering,
    parts,
)

# In this order: a default of an enum is compared as text, and the enums see the differences of parts.
PLUGINS = {
    "alembic_live.foreign_keys": foreign_keys,
    "alembic_live.column_types": column_types,
    "alembic_live.numbering": numbering,
    "alembic_live.parts": parts,
    "alembic_live.enums": enums,
    "alembic_live.domains": domains,
}

for name, module in PLUGINS.items():
    Plugin.setup_plugin_from_module(module, name)
