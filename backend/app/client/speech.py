"""An open speech socket, or a clear error."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from app.client.errors import Unreachable, from_status


@asynccontextmanager
async def speech_socket(
    url: str, headers: dict[str, str], proxy: bool, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ClientConnection]:
    """An open socket.

    No keep-alive pings and no compression: a server that takes no more audio for a while is not dead, and
    speech does not deflate.
    """
    try:
        connection = await connect(
            url,
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
            proxy=True if proxy else None,
            ssl=tls,
        )
    except InvalidStatus as error:
        raise from_status(error.response.status_code, _refusal(error, url)) from error
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise Unreachable(f"no server answers at {url}; start one with `prompter serve`") from error
    async with connection:
        yield connection


def _refusal(error: InvalidStatus, url: str) -> str:
    try:
        return str(json.loads(error.response.body or b"")["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server at {url} refused the connection with status {error.response.status_code}"
