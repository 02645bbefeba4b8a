"""The tables: constraints have names, and what belongs to a user or a conversation goes with it."""

from app.storage.tables import Base


def test_the_tables_are_these() -> None:
    """A new one needs a migration, and a word in the backup's and the deletion's tests."""
    assert sorted(Base.metadata.tables) == [
        "api_keys",
        "attachments",
        "conversations",
        "dictation_finals",
        "dictation_versions",
        "dictations",
        "idempotency_keys",
        "imports",
        "messages",
        "model_connections",
        "refresh_tokens",
        "runs",
        "search_entries",
        "shares",
        "speech_session_audio",
        "speech_session_events",
        "speech_sessions",
        "throttles",
        "tool_approvals",
        "users",
    ]


def test_every_constraint_can_be_named_by_a_migration() -> None:
    for table in Base.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints), table.name
        assert all(index.name for index in table.indexes), table.name


def test_what_has_an_owner_goes_with_it() -> None:
    """Only the parent of a message does not cascade: the conversation takes its whole tree."""
    kept = {
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.ondelete != "CASCADE"
    }
    assert kept == {"messages.parent_id"}
