"""How the schema grew: Alembic's scripts, shipped with the package."""
