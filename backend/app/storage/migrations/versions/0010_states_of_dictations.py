"""How far a dictation is, the process in which it goes on, and whether its user wants its audio to be kept."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("keep_audio", sa.Boolean(), nullable=True))
    op.add_column(
        "dictations", sa.Column("state", sa.String(length=16), server_default="final", nullable=False)
    )
    op.add_column("dictations", sa.Column("run_id", sa.Uuid(), nullable=True))
    op.execute("UPDATE dictations SET state = 'interrupted' WHERE ended_at IS NULL")
    op.create_index(
        "ix_dictations_live",
        "dictations",
        ["run_id"],
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_dictations_live", table_name="dictations")
    op.drop_column("dictations", "run_id")
    op.drop_column("dictations", "state")
    op.drop_column("users", "keep_audio")
