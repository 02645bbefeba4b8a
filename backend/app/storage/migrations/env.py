"""What alembic runs for every command: the connection comes from `storage/migrate.py`, the tables from our metadata."""

from alembic import context

from app.storage.migrate import is_ours
from app.storage.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    include_name=is_ours,
    transactional_ddl=True,  # SQLite can; alembic thinks of its driver, which we do not let begin or end anything
)
with context.begin_transaction():
    context.run_migrations()
