"""The comparisons of this library, as plugins of Alembic. The import registers them."""

from alembic.runtime.plugins import Plugin

from alembic_live.autogenerate import column_types, domains, enums, numbering

PLUGINS = {
    "alembic_live.column_types": column_types,
    "alembic_live.numbering": numbering,
    "alembic_live.enums": enums,
    "alembic_live.domains": domains,
}

for name, module in PLUGINS.items():
    Plugin.setup_plugin_from_module(module, name)
