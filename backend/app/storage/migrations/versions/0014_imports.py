"""Imports of conversations, and what an imported conversation is known by."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("origin", sa.String(length=64)))
    op.add_column("conversations", sa.Column("imported_at", sa.DateTime(timezone=True)))
    known = sa.text("origin IS NOT NULL")
    op.create_index(
        "uq_conversations_origin",
        "conversations",
        ["user_id", "origin"],
        unique=True,
        sqlite_where=known,
        postgresql_where=known,
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("report", sa.JSON()),
        sa.Column("error", sa.JSON()),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_imports_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )
    op.create_index("ix_imports_newest", "imports", ["user_id", "id"])


def downgrade() -> None:
    op.drop_table("imports")
    op.drop_index("uq_conversations_origin", "conversations")
    op.drop_column("conversations", "imported_at")
    op.drop_column("conversations", "origin")
