"""`prompter ask` and `prompter providers`: ask a server's language model, and list who can answer."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    DEFAULT_URL,
    USAGE,
    AsJson,
    CaFile,
    CommandError,
    Token,
    Url,
    make_client,
    result_console,
    run_async,
)

if TYPE_CHECKING:
    from app.client.prompt_client import PromptClient

Provider = Annotated[
    str | None, typer.Option(help="Language-model provider; `prompter providers` lists them.")
]
Model = Annotated[str | None, typer.Option(help="Model to ask; the server's default if left out.")]


def ask(
    text: Annotated[str, typer.Argument(help="Prompt, or - to read it from standard input.")],
    provider: Provider = None,
    model: Model = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    cafile: CaFile = None,
) -> None:
    """Ask the language model."""
    prompt = (sys.stdin.read() if text == "-" else text).strip()
    if not prompt:
        raise CommandError("the prompt is empty", USAGE)
    run_async(_ask(make_client(url, token, cafile), prompt, provider, model, as_json))


async def _ask(
    client: "PromptClient", prompt: str, provider: str | None, model: str | None, as_json: bool
) -> None:
    from app.cli.screen import TextScreen

    config = {"model": model} if model else None
    async with client:
        if as_json:
            answer = await client.generate(prompt, provider=provider, config=config)
            typer.echo(json.dumps(asdict(answer), ensure_ascii=False))
            return
        screen = TextScreen()
        try:
            async for piece in client.generate_stream(
                prompt, provider=provider, config=config, on_status=screen.wait
            ):
                screen.answer(piece)
        finally:
            screen.close()
        screen.end_answer()


def providers(
    as_json: AsJson = False, url: Url = DEFAULT_URL, token: Token = "", cafile: CaFile = None
) -> None:
    """List speech engines and language-model providers; * marks the default ones."""
    by_kind = run_async(_list_providers(make_client(url, token, cafile)))
    if as_json:
        typer.echo(json.dumps(by_kind, ensure_ascii=False))
        return
    names = {"stt": "Speech engines", "llm": "Language models"}
    for kind, items in by_kind.items():
        result_console().print(names[kind], style="bold")
        width = max((len(item["name"]) for item in items), default=0)
        for item in items:
            mark = "*" if item["default"] else " "
            line = f"{mark} {item['name']:<{width}}  {item['status']:<14}  {item['description']}"
            result_console().print(line, markup=False)


async def _list_providers(client: "PromptClient") -> dict[str, list[dict[str, Any]]]:
    async with client:
        return await client.providers()
