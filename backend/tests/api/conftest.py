"""The PostgreSQL that doors are tested on where it matters."""

from tests.support.postgres import postgres_server, postgres_template

__all__ = ["postgres_server", "postgres_template"]
