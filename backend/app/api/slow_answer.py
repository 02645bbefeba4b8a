"""A plain answer that may take long: white space in front of it keeps clients and proxies from giving up."""

import logging
from collections.abc import Awaitable, Callable

import anyio
from fastapi import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.sse import HEADERS, watch_client
from app.core.errors import PrompterError

logger = logging.getLogger(__name__)

QUIET_S = 10.0
"""How long nothing is sent. Proxies and clients have limits of 30 to 300 s."""


class SlowAnswer(Response):
    """The body that `work` returns; until then, every QUIET_S, white space that the format allows.

    What fails within QUIET_S has its status. Later the status 200 is sent already: the client gets the error in the
    body, and the connection breaks off before the body's end, so that no client takes it for the answer. The work
    ends when the client leaves.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[bytes]],
        *,
        media_type: str,
        filler: bytes,
        head: bytes = b"",
        describe: Callable[[PrompterError], bytes],
    ) -> None:
        """`head` is how every body begins; `describe` writes an error for the end of a body."""
        super().__init__(headers=HEADERS, media_type=media_type)
        del self.headers["content-length"]
        self._work = work
        self._filler = filler
        self._head = head
        self._describe = describe
        self._body: bytes | None = None
        self._failure: PrompterError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises what the work raises, and HTTPException where the client has left, while nothing is sent."""
        sent = 0
        async with anyio.create_task_group() as group:
            group.start_soon(watch_client, receive, group.cancel_scope)
            done = anyio.Event()
            group.start_soon(self._run, done)
            while not done.is_set():
                with anyio.move_on_after(QUIET_S):
                    await done.wait()
                    break
                sent += await self._send_filler(send, is_first=not sent)
            group.cancel_scope.cancel()
        if sent:
            await self._finish(send)
        elif self._failure is not None:
            raise self._failure
        elif self._body is None:
            raise HTTPException(499, "the client has left")
        else:
            await Response(self._body, media_type=self.media_type)(scope, receive, send)

    async def _run(self, done: anyio.Event) -> None:
        try:
            self._body = await self._work()
        except PrompterError as error:
            self._failure = error
        done.set()

    async def _send_filler(self, send: Send, *, is_first: bool) -> int:
        piece = self._head if is_first and self._head else self._filler
        if is_first:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        return 1

    async def _finish(self, send: Send) -> None:
        """The rest of a body that has begun. A failure leaves it without its end."""
        if self._body is not None:
            rest = self._body.removeprefix(self._head)
            await send({"type": "http.response.body", "body": rest})
        elif self._failure is not None:
            logger.info("an answer that had begun broke off: %s", self._failure.code)
            error = self._describe(self._failure)
            await send({"type": "http.response.body", "body": error, "more_body": True})
