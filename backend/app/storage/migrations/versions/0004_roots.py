"""An index of the first messages of a conversation, so that a page of it does not read the whole."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ROOTS = sa.text("parent_id IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_messages_roots",
        "messages",
        ["conversation_id", "id"],
        sqlite_where=_ROOTS,
        postgresql_where=_ROOTS,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_roots", "messages")
