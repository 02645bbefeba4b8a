"""The places of conversations and dictations in lists, which a clock that is set back does not change."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column(
        "ordered_at", sa.DateTime(timezone=True), server_default="1970-01-01 00:00:00.000000", nullable=False
    )
    op.add_column("conversations", column)
    op.execute("UPDATE conversations SET ordered_at = updated_at")
    op.drop_index("ix_conversations_newest", "conversations")
    op.create_index("ix_conversations_newest", "conversations", ["user_id", "ordered_at", "id"])
    op.drop_index("ix_dictations_newest", "dictations")
    op.create_index("ix_dictations_newest", "dictations", ["user_id", "id"])


def downgrade() -> None:
    op.drop_index("ix_dictations_newest", "dictations")
    op.create_index("ix_dictations_newest", "dictations", ["user_id", "started_at", "id"])
    op.drop_index("ix_conversations_newest", "conversations")
    op.create_index("ix_conversations_newest", "conversations", ["user_id", "updated_at", "id"])
    op.drop_column("conversations", "ordered_at")
