"""Search over what a user has kept: titles, messages and dictations."""

from uuid import UUID

from app.storage import search
from app.storage.database import Database
from app.storage.search import SearchHit, SearchKind, SearchOrder

__all__ = ["Search", "SearchHit", "SearchKind", "SearchOrder"]


class Search:
    """Finds only what is the user's own."""

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
        """Where all words of the query stand, the last one as a beginning; nothing where it has no word.

        Raises:
            StorageUnavailable
        """
        async with self._database.read() as session:
            return await search.find(
                session, user_id, query, limit=limit, before=before, order=order, kind=kind
            )
