"""The database: `Base` and the models, the engine, and sessions.

Nothing is imported here on purpose: a migration needs the metadata, not the ORM.
"""
