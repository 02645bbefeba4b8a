"""Search over the titles, messages and dictations of a user."""

from uuid import UUID

from app.storage import search
from app.storage.database import Database
from app.storage.search import SearchHit, SearchKind, SearchOrder

__all__ = ["Search", "SearchHit", "SearchKind", "SearchOrder"]


class Search:
    """Searches what belongs to one user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self,
        user_id: UUID,
        query: str,
        *,
        limit: int,
        before: int | None = None,
        order: SearchOrder = "newest",
        kind: SearchKind | None = None,
    ) -> tuple[SearchHit, ...]:
        """Return what has all words of the query; the last word matches as a prefix. Empty if there is no word.

        Raises:
            StorageUnavailable: the database cannot be read.
        """
        async with self._database.read() as session:
            return await search.find(
                session, user_id, query, limit=limit, before=before, order=order, kind=kind
            )
