"""Postgres servers on this machine, for development and for tests, without Docker or root."""
