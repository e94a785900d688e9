"""The comparisons of this library, as plugins of Alembic. The import registers them."""

from alembic.runtime.plugins import Plugin

from alembic_live.autogenerate import foreign_keys

PLUGINS = {"alembic_live.foreign_keys": foreign_keys}

for name, module in PLUGINS.items():
    Plugin.setup_plugin_from_module(module, name)
