"""Live speech sessions that another server can go on with, and attempts that several servers count together."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_sessions()
    _create_part("audio", sa.Column("position", sa.BigInteger(), nullable=False))
    op.add_column("speech_session_audio", sa.Column("until", sa.BigInteger(), nullable=False))
    op.add_column("speech_session_audio", sa.Column("pcm", sa.LargeBinary(), nullable=False))
    _create_part("events", sa.Column("seq", sa.BigInteger(), nullable=False))
    op.add_column("speech_session_events", sa.Column("event", sa.Text(), nullable=False))
    if op.get_bind().dialect.name == "postgresql":  # speech does not compress, and is deleted within a minute
        op.execute("ALTER TABLE speech_session_audio ALTER COLUMN pcm SET STORAGE EXTERNAL")
    op.create_table(
        "throttles",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("paid_by", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_throttles"),
    )
    op.create_index("ix_throttles_paid_by", "throttles", ["paid_by"])


def _create_sessions() -> None:
    op.create_table(
        "speech_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("dictation_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text()),
        sa.Column("earlier_token_hash", sa.String(length=64)),
        sa.Column("earlier_label", sa.Text()),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_speech_sessions_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_speech_sessions"),
        sa.UniqueConstraint("token_hash", name="uq_speech_sessions_token_hash"),
    )
    for column in ("user_id", "dictation_id", "run_id", "earlier_token_hash"):
        op.create_index(f"ix_speech_sessions_{column}", "speech_sessions", [column])


def _create_part(name: str, place: "sa.Column[int]") -> None:
    op.create_table(
        f"speech_session_{name}",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        place,
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["speech_sessions.id"],
            name=f"fk_speech_session_{name}_session_id_speech_sessions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", place.name, name=f"pk_speech_session_{name}"),
    )


def downgrade() -> None:
    for table in ("throttles", "speech_session_events", "speech_session_audio", "speech_sessions"):
        op.drop_table(table)
