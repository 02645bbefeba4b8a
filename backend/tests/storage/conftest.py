"""The databases that storage is tested on."""

from tests.support.postgres import (
    database,
    postgres_server,
    postgres_template,
    sqlite_template,
    storage_settings,
)

__all__ = ["database", "postgres_server", "postgres_template", "sqlite_template", "storage_settings"]
