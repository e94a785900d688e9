"""The models. For migrations, alembic-live imports every module in this folder.

The application imports the modules that it needs. If a relationship names a class in another module,
that module must be imported too. You may import it here.
"""
