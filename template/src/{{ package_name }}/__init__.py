"""The service: settings in `config`, tables in `database`, migrations in `migrate`."""
