"""The databases of the review's tests: a fresh SQLite and a fresh PostgreSQL."""

from tests.review.conftest import database_url, postgres_template, sqlite_template

__all__ = ["database_url", "postgres_template", "sqlite_template"]
