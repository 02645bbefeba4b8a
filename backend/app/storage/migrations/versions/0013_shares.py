"""Shared links: the title of a snapshot, what is included, and the token for its owner."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shares", sa.Column("title", sa.Text(), nullable=True))
    op.add_column("shares", sa.Column("sealed_token", sa.Text(), nullable=True))
    for name in ("attachments", "dictations"):
        op.add_column("shares", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_shares_expires_at", "shares", ["expires_at"])


def downgrade() -> None:
    op.drop_index("ix_shares_expires_at", "shares")
    for name in ("dictations", "attachments", "sealed_token", "title"):
        op.drop_column("shares", name)
