#!/usr/bin/env python3
"""Starts Firefox for Playwright, with the arguments of both, and passes WebDriver BiDi on between them.

Playwright emulates a colour scheme in each new context. The extended-support release of Firefox lacks that command,
and its error would end the context. It becomes a success here: what cannot be emulated stays as it is.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from functools import partial

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

COMMANDS = ("firefox-esr", "firefox")
FIRST_WORDS = "WebDriver BiDi listening on"
"""What Playwright waits for."""
LISTENS = re.compile(rf"{FIRST_WORDS} (ws://\S+)")
OPTIONAL = "emulation."
"""Commands that a browser may lack."""


async def run_firefox(command: str, arguments: list[str]) -> int:
    """Run the browser to its end, with the relay in front of it; its exit code."""
    browser = await asyncio.create_subprocess_exec(command, *arguments, stderr=asyncio.subprocess.PIPE)
    assert browser.stderr is not None
    async for line in browser.stderr:
        if found := LISTENS.search(line.decode(errors="replace")):
            async with serve(partial(relay, found[1]), "127.0.0.1", 0, max_size=None, compression=None) as at:
                port = next(iter(at.sockets)).getsockname()[1]
                report(f"{FIRST_WORDS} ws://127.0.0.1:{port}\n".encode())
                while text := await browser.stderr.read(1 << 16):
                    report(text)
        else:
            report(line)
    return await browser.wait()


def report(text: bytes) -> None:
    os.write(sys.stderr.fileno(), text)


async def relay(address: str, playwright: ServerConnection) -> None:
    """Pass messages on until either side closes."""
    assert playwright.request is not None
    optional: set[int] = set()
    url = f"{address}{playwright.request.path}"
    async with (
        connect(url, max_size=None, compression=None, proxy=None) as firefox,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(pass_commands(playwright, firefox, optional))
        group.create_task(pass_answers(firefox, playwright, optional))


async def pass_commands(playwright: ServerConnection, firefox: ClientConnection, optional: set[int]) -> None:
    async for message in playwright:
        if OPTIONAL in str(message) and (command := json.loads(message))["method"].startswith(OPTIONAL):
            optional.add(command["id"])
        await firefox.send(message)
    await firefox.close()


async def pass_answers(firefox: ClientConnection, playwright: ServerConnection, optional: set[int]) -> None:
    async for message in firefox:
        if optional and (answer := json.loads(message)).get("id") in optional:
            optional.remove(answer["id"])
            if answer.get("error") == "unknown command":
                message = json.dumps({"type": "success", "id": answer["id"], "result": {}})
        await playwright.send(message)
    await playwright.close()


if __name__ == "__main__":
    command = next(filter(None, map(shutil.which, COMMANDS)), None)
    sys.exit(asyncio.run(run_firefox(command, sys.argv[1:])) if command else "no Firefox on this machine")
