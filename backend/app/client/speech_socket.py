"""Opens a speech socket, or raises a clear error."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI

from app.client.errors import Unreachable, make_status_error

BAD_PROXY = (
    "the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) cannot be used; "
    "expected an address like http://proxy.example:3128"
)


@asynccontextmanager
async def open_speech_socket(
    url: str, headers: dict[str, str], proxy: bool, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ClientConnection]:
    """Open a speech socket; leaving the block closes it.

    It sends no keep-alive pings, since a server under load takes no audio for a while, and it does not compress, since
    speech does not get smaller.

    Raises:
        Unreachable, Refused, ServerFailed
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
            ssl=tls if url.startswith("wss:") else None,
        )
    except InvalidStatus as error:
        raise make_status_error(error.response.status_code, _read_refusal(error, url)) from error
    except (InvalidProxy, ValueError):
        raise Unreachable(BAD_PROXY) from None  # its words could hold the password of the proxy
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI, EOFError) as error:
        raise Unreachable(f"no server answers at {url}; start one with `prompter serve`") from error
    async with connection:
        yield connection


def _read_refusal(error: InvalidStatus, url: str) -> str:
    try:
        return str(json.loads(error.response.body or b"")["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server at {url} refused the connection with status {error.response.status_code}"
