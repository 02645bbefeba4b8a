"""The tables: columns, types, keys and indexes. The migrations create exactly these."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Uuid,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.storage.common import Json, PlainText, UtcTime, utc_now
from app.utils.ids import new_id


class Base(DeclarativeBase):
    """The base of all tables. Every constraint has a name, because migrations change constraints by name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own way
        UUID: Uuid,
        str: PlainText,
        datetime: UtcTime,
        dict[str, Any]: Json,
        list[Any]: Json,
        list[str]: Json,
    }


def _owner() -> Any:
    return mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)


class UserRow(Base):
    """One account."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    """As its user writes it."""
    name_key: Mapped[str] = mapped_column(unique=True)
    """The name in folded case: `Ana` and `ana` are the same user."""
    password_hash: Mapped[str]
    """Empty: nobody can log in to this account."""
    role: Mapped[str] = mapped_column(String(16))
    token_version: Mapped[int] = mapped_column(default=0)
    """Access tokens with another number are invalid. It rises when a user is disabled or gets a new password."""
    disabled_at: Mapped[datetime | None]
    keep_audio: Mapped[bool | None]
    """Whether the audio of the user's dictations is kept for a time; None where the user has not said."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RefreshTokenRow(Base):
    """One refresh token of a log-in (`family`). A token that is used twice ends its log-in."""

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _owner()
    family: Mapped[UUID] = mapped_column(index=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ApiKeyRow(Base):
    """One API key of a user; only its hash is stored."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _owner()
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    """Its first characters, by which its user recognises it."""
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class IdempotencyKeyRow(Base):
    """One request of a user with an `Idempotency-Key`, and what it has made; kept for a day."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    """Of its method, path and body."""
    resource_id: Mapped[UUID | None]
    """Without a foreign key, because what is made is of several kinds."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RunRow(Base):
    """One running server process. Its heartbeat is its lease on the answers that it streams."""

    __tablename__ = "runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    heartbeat_at: Mapped[datetime]


class ConversationRow(Base):
    """One conversation: a tree of messages, and the settings that they are sent with."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index("ix_conversations_newest", "user_id", "ordered_at", "id"),
        Index(
            "uq_conversations_origin",
            "user_id",
            "origin",
            unique=True,
            sqlite_where=text("origin IS NOT NULL"),
            postgresql_where=text("origin IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str]
    model: Mapped[str | None]
    system_prompt: Mapped[str | None]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    active_leaf_id: Mapped[UUID | None]
    """The last message of the shown branch; without a constraint, because messages refer to conversations already."""
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    ordered_at: Mapped[datetime] = mapped_column(default=utc_now, server_default="1970-01-01 00:00:00.000000")
    """Its place in the list: when it was last changed, or just after the user's newest place if the clock is behind."""
    origin: Mapped[str | None] = mapped_column(String(64))
    """What an imported conversation is known by when it is imported again; None for one that began here."""
    imported_at: Mapped[datetime | None]
    """When it was last imported: the retention counts from then, because its own times are older."""


class MessageRow(Base):
    """One message. Messages with the same parent are versions of each other."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_conversation_id_id", "conversation_id", "id"),
        Index(
            "ix_messages_roots",
            "conversation_id",
            "id",
            sqlite_where=text("parent_id IS NULL"),
            postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_messages_streaming",
            "run_id",
            sqlite_where=text("status = 'streaming'"),
            postgresql_where=text("status = 'streaming'"),
        ),
        Index(
            "uq_messages_client_message_id",
            "conversation_id",
            "client_message_id",
            unique=True,
            sqlite_where=text("client_message_id IS NOT NULL"),
            postgresql_where=text("client_message_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    # No cascade: SQLite follows one no deeper than 1000 rows, and the conversation's takes the whole tree.
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(default="")
    reasoning: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    model: Mapped[str | None]
    provider: Mapped[str | None]
    finish_reason: Mapped[str | None]
    """Why the model stopped: `stop`, `length` …"""
    usage: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    tool_data: Mapped[list[Any] | None]
    """Tool events of the answer: see `tool_events.py`."""
    run_id: Mapped[UUID | None]
    """The process that streams it; None after its end."""
    stop_requested: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its user has asked another process to stop it: the one that streams it looks here."""
    client_message_id: Mapped[UUID | None]
    """The client's id of the request that made it: the same request again makes nothing."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class ToolApprovalRow(Base):
    """One tool call that needs the approval of its user."""

    __tablename__ = "tool_approvals"

    message_id: Mapped[UUID] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The id of the call within its answer."""
    decision: Mapped[str | None] = mapped_column(String(16))
    """`approved`, `denied` or `expired`; None while the call waits."""
    expires_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class DictationRow(Base):
    """One dictation: from `start` to `stop`."""

    __tablename__ = "dictations"
    __table_args__ = (
        Index("ix_dictations_newest", "user_id", "id"),
        Index(
            "ix_dictations_live",
            "run_id",
            sqlite_where=text("run_id IS NOT NULL"),
            postgresql_where=text("run_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    session_label: Mapped[str | None]
    """The `session_id` that its client chose; not unique."""
    lang: Mapped[str | None]
    provider: Mapped[str | None]
    model: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(16), default="final", server_default="final")
    """`recording`, `heard` (all audio has arrived), `final` (all text is stored) or `interrupted`."""
    run_id: Mapped[UUID | None]
    """The process in which it goes on; None after its end."""
    current_version_id: Mapped[UUID | None]
    """The version that is shown; None for what was heard live. Without a constraint: versions refer to dictations."""


class DictationVersionRow(Base):
    """The audio of a dictation heard again, with another engine, model or language."""

    __tablename__ = "dictation_versions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    dictation_id: Mapped[UUID] = mapped_column(ForeignKey("dictations.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    provider: Mapped[str | None]
    model: Mapped[str | None]
    lang: Mapped[str | None]
    """As it was asked for; at the end the language that was heard."""
    text: Mapped[str] = mapped_column(default="")
    """All finals as one text; empty until the end."""
    final_count: Mapped[int] = mapped_column(default=0)
    finals: Mapped[list[Any] | None]
    """See `dictation_versions.py`; None until the end: nothing is half written."""
    error: Mapped[dict[str, Any] | None]
    run_id: Mapped[UUID | None]
    """The process that makes it; None after its end."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]


class DictationFinalRow(Base):
    """One final of a dictation; `n` counts 0, 1, 2 …"""

    __tablename__ = "dictation_finals"
    __table_args__ = (Index("uq_dictation_finals_n", "dictation_id", "n", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    dictation_id: Mapped[UUID] = mapped_column(ForeignKey("dictations.id", ondelete="CASCADE"))
    n: Mapped[int]
    utterance_id: Mapped[str]
    text: Mapped[str]
    raw_text: Mapped[str | None]
    """The engine's own text, where `text` is an improved version of it."""
    start_ms: Mapped[int | None]
    end_ms: Mapped[int | None]
    lang: Mapped[str | None]
    joined: Mapped[bool] = mapped_column(default=False, server_default=false())
    """The text goes on with the sentence of the final before it."""
    words: Mapped[list[Any] | None]
    recovered: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A server made it from spooled audio, after a crash, without the client."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class SearchEntryRow(Base):
    """The folded words of one title, message or final. Triggers and indexes of the database keep its search index."""

    __tablename__ = "search_entries"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    """Rises with time, so that an order by id is an order by time."""
    user_id: Mapped[UUID] = _owner()
    kind: Mapped[str] = mapped_column(String(16))
    conversation_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    final_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("dictation_finals.id", ondelete="CASCADE"), index=True
    )
    folded: Mapped[str]


class AttachmentRow(Base):
    """A file of a message, or one that is not sent yet. Its content lies in the data folder, by its hash."""

    __tablename__ = "attachments"
    __table_args__ = (
        Index("ix_attachments_content", "user_id", "sha256"),
        Index(
            "ix_attachments_working",
            "run_id",
            sqlite_where=text("state = 'working'"),
            postgresql_where=text("state = 'working'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _owner()
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(default=0, server_default="0")
    """Its place among the files of its message."""
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16), default="document", server_default="document")
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]
    pages: Mapped[int | None]
    tokens: Mapped[int | None]
    """Estimated tokens of the text that a model is sent; None where it has no text."""
    total_tokens: Mapped[int | None]
    """The same for all of its text."""
    cut: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a model is sent less than all of its text."""
    views: Mapped[int] = mapped_column(default=0, server_default="0")
    """Pictures of it that a model can be sent: the picture itself, or its first pages."""
    has_thumbnail: Mapped[bool] = mapped_column(default=False, server_default=false())
    as_text: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its user wants no picture of it to be sent."""
    state: Mapped[str] = mapped_column(String(16), default="ready", server_default="ready")
    """`working` while a recording is being transcribed, then `ready` or `failed`."""
    error: Mapped[dict[str, Any] | None]
    run_id: Mapped[UUID | None]
    """The process that works on it; None otherwise."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ImportRow(Base):
    """One import of conversations: how far it is, and what came of it. The file itself is not stored."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_newest", "user_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(16))
    """`waiting`, `working`, `done`, `failed`, `cancelled` or `interrupted`."""
    name: Mapped[str]
    """The name of the file, as its user knows it."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    dry_run: Mapped[bool]
    """Whether the file is only read, and nothing is stored."""
    done: Mapped[int] = mapped_column(default=0)
    """Conversations of the file that have been looked at."""
    total: Mapped[int | None]
    report: Mapped[dict[str, Any] | None]
    """What was imported and what was not: see `services/importing/report.py`."""
    error: Mapped[dict[str, Any] | None]
    run_id: Mapped[UUID | None]
    """The process that works on it; None after its end."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]


class ModelConnectionRow(Base):
    """A model that a user has connected: its address, and its key in encrypted form."""

    __tablename__ = "model_connections"
    __table_args__ = (Index("uq_model_connections_user_id_name", "user_id", "name", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    """Its name in ids of models, after `my.` or `shared.`."""
    title: Mapped[str]
    vendor: Mapped[str] = mapped_column(String(32))
    base_url: Mapped[str]
    sealed_key: Mapped[str | None]
    """See `key_file.py`; None for a server that wants no key."""
    key_hint: Mapped[str] = mapped_column(String(16))
    """The last characters of the key, by which its user recognises it."""
    model: Mapped[str]
    """The model for requests that name only the connection; empty takes the first that the server lists."""
    models: Mapped[list[str]]
    """The models to offer; empty offers what the server lists."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether all users may use it. It counts only while its owner is an admin."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


class ShareRow(Base):
    """A link that shows a conversation to whoever has it, without a log-in."""

    __tablename__ = "shares"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = _owner()
    conversation_id: Mapped[UUID] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), index=True
    )
    leaf_id: Mapped[UUID]
    """The last message of the branch that was shown when the link was made."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    live: Mapped[bool] = mapped_column(default=True)
    """Whether the link follows the conversation; else it shows the branch down to `leaf_id`, which never changes."""
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    title: Mapped[str | None]
    """The title of a snapshot; None where the link follows the conversation."""
    sealed_token: Mapped[str | None]
    """The token for its owner to copy again, see `key_file.py`."""
    attachments: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether files are shown."""
    dictations: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the text is shown that was heard in attached recordings."""


class SpeechSessionRow(Base):
    """A live speech session as another server can go on with it: see `session_log.py`. PostgreSQL alone has rows."""

    __tablename__ = "speech_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = _owner()
    dictation_id: Mapped[UUID] = mapped_column(index=True)
    run_id: Mapped[UUID] = mapped_column(index=True)
    """The process that has it."""
    epoch: Mapped[int]
    """Rises with each process that takes it: one with a lower number writes nothing more."""
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    """Of the resume token."""
    label: Mapped[str | None]
    """The client's `session_id`."""
    earlier_token_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """Of the token before, which is valid too."""
    earlier_label: Mapped[str | None]
    about: Mapped[str]
    """What its dictation began with, as JSON."""
    state: Mapped[str]
    """How far it is, as JSON: written together with what brought it there."""
    touched_at: Mapped[datetime]


class SpeechSessionAudioRow(Base):
    """Audio of a live speech session that may have to be heard again."""

    __tablename__ = "speech_session_audio"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("speech_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Of its first byte, from the first of the dictation."""
    until: Mapped[int] = mapped_column(BigInteger)
    """Of the byte behind its last one."""
    pcm: Mapped[bytes] = mapped_column(LargeBinary)


class SpeechSessionEventRow(Base):
    """An event of a live speech session that its client may have to be sent again."""

    __tablename__ = "speech_session_events"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("speech_sessions.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    event: Mapped[str]
    """As JSON."""


class ThrottleRow(Base):
    """How far the attempts of a key are paid off, where several servers count them: see `throttles.py`."""

    __tablename__ = "throttles"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of what is limited, and of the name or address."""
    paid_by: Mapped[datetime] = mapped_column(index=True)
