"""Which tables and indexes are compared with our metadata: not what full-text search keeps for itself."""

from typing import Any


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether alembic is to look at it."""
    if kind == "table":
        return not (name or "").startswith("search_index")
    return name != "ix_search_entries_words"
