"""`prompter providers`: the engines of a server, their state and what to do about it."""

import json
from typing import TYPE_CHECKING, Any

import typer

from app.cli.common import DEFAULT_URL, AsJson, CaFile, Token, Url, connect, out, run

if TYPE_CHECKING:
    from app.client.prompt_client import PromptClient


def providers(
    as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = "", cafile: CaFile = None
) -> None:
    """List speech engines and language-model providers; * marks what is used unasked."""
    found = run(_list(connect(url, token, cafile)))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    names = {"stt": "Speech engines", "llm": "Language models"}
    for kind, items in found.items():
        out().print(names[kind], style="bold")
        width = max((len(item["name"]) for item in items), default=0)
        for item in items:
            mark = "*" if item["default"] else " "
            line = f"{mark} {item['name']:<{width}}  {item['status']:<14}  {item['description']}"
            out().print(line, markup=False)


async def _list(client: "PromptClient") -> dict[str, list[dict[str, Any]]]:
    async with client:
        return await client.providers()
