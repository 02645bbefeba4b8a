"""Files of messages: what each one is, how much of it a model is sent, and the work on its text."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _make_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("kind", sa.String(length=16), server_default="document", nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("pages", sa.Integer()),
        sa.Column("tokens", sa.Integer()),
        sa.Column("total_tokens", sa.Integer()),
        sa.Column("cut", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("views", sa.Integer(), server_default="0", nullable=False),
        sa.Column("has_thumbnail", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("as_text", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default="ready", nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("run_id", sa.Uuid()),
    )


def upgrade() -> None:
    for column in _make_columns():
        op.add_column("attachments", column)
    op.create_index("ix_attachments_content", "attachments", ["user_id", "sha256"])
    op.create_index(
        "ix_attachments_working",
        "attachments",
        ["run_id"],
        sqlite_where=sa.text("state = 'working'"),
        postgresql_where=sa.text("state = 'working'"),
    )


def downgrade() -> None:
    op.drop_index("ix_attachments_working", table_name="attachments")
    op.drop_index("ix_attachments_content", table_name="attachments")
    for column in reversed(_make_columns()):
        op.drop_column("attachments", column.name)
