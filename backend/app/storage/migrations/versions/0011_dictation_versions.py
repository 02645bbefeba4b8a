"""Dictations that were heard again: their further versions, and which one is current."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dictations", sa.Column("current_version_id", sa.Uuid(), nullable=True))
    op.create_table(
        "dictation_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dictation_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("provider", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("lang", sa.Text()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("final_count", sa.Integer(), nullable=False),
        sa.Column("finals", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["dictation_id"],
            ["dictations.id"],
            name="fk_dictation_versions_dictation_id_dictations",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dictation_versions"),
    )
    op.create_index("ix_dictation_versions_dictation_id", "dictation_versions", ["dictation_id"])


def downgrade() -> None:
    op.drop_table("dictation_versions")
    op.drop_column("dictations", "current_version_id")
