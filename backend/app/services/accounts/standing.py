"""Whether the caller of an open socket may still be there: asked again and again, for a socket lasts for hours."""

import time
from datetime import UTC, datetime

import anyio

from app.core.caller import Caller
from app.core.errors import StorageUnavailable, Unauthorized
from app.services.accounts.identity import NOT_VALID, Identity

CHECK_EVERY_S = 20.0
"""So that a log-out, an expiry, a revoked key or a disabled user closes a socket within a minute."""
UNKNOWN_FOR_S = 60.0
"""How long a socket may go on while the database cannot be asked."""


class Standing:
    """One socket's caller. `watch` runs as long as the socket, `renew` takes a newer token of the same user."""

    def __init__(self, caller: Caller, identity: Identity | None, check_every_s: float | None = None) -> None:
        self.caller = caller
        self._identity = identity
        self._every_s = CHECK_EVERY_S if check_every_s is None else check_every_s
        self._renewed = anyio.Event()

    async def watch(self) -> None:
        """Return never, or not before there is nothing to lose.

        Raises:
            Unauthorized: the caller may not go on.
        """
        if self._identity is None:
            return
        checked_s = time.monotonic()
        while True:
            with anyio.move_on_after(self._until_next_s()):
                await self._renewed.wait()
                self._renewed = anyio.Event()
            caller = self.caller
            try:
                found = await self._identity.again(caller)
                checked_s = time.monotonic()
            except StorageUnavailable:
                if time.monotonic() - checked_s > UNKNOWN_FOR_S:
                    raise Unauthorized(NOT_VALID) from None
                continue
            except Unauthorized:
                if self.caller is caller:
                    raise
                continue  # renewed meanwhile
            if self.caller is caller:
                self.caller = found

    async def renew(self, token: str) -> None:
        """Go on with this token's life.

        Raises:
            Unauthorized: it is not valid, or another user's.
        """
        if self._identity is None:
            return
        caller = await self._identity.of(token)
        if caller.user_id != self.caller.user_id:
            raise Unauthorized("this token is another user's; open a socket of your own")
        self.caller = caller
        self._renewed.set()

    def _until_next_s(self) -> float:
        expires_at = self.caller.expires_at
        if expires_at is None:
            return self._every_s
        left_s = (expires_at - datetime.now(UTC)).total_seconds()
        return min(self._every_s, max(left_s, 0.0) + 0.01)
